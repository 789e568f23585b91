"""The script that Streamlit runs: navigation and look, what every page has in common.

The pages live in `screens`: a folder called `pages` beside this script would switch Streamlit to its older
way of making several pages, which shows an empty page to whoever opens an address like /documents first.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from ui.links import remember_pages
from ui.screens import chat, documents, evals, inspector, search, settings, shared
from ui.screens.shared import SHARED
from ui.views import DARK_STYLE, STYLE, failures_shown

ICON = str(Path(__file__).with_name("favicon.svg"))  # a material icon here would be fetched from the internet


def main() -> None:
    """Shows the page that the address names."""
    st.set_page_config(page_title="Footnote", page_icon=ICON, layout="centered")
    st.html(STYLE + DARK_STYLE if st.context.theme.type == "dark" else STYLE)
    if SHARED in st.query_params:
        st.navigation([st.Page(shared.page, title="Shared conversation")], position="hidden")
        with failures_shown():
            shared.page()
        return
    pages = {
        "ask": st.Page(chat.page, title="Ask", icon=":material/forum:", url_path="ask", default=True),
        "documents": st.Page(
            documents.page, title="Documents", icon=":material/description:", url_path="documents"
        ),
        "search": st.Page(search.page, title="Search lab", icon=":material/search:", url_path="search"),
        "evals": st.Page(evals.page, title="Evals", icon=":material/monitoring:", url_path="evals"),
        "inspector": st.Page(
            inspector.page, title="Inspector", icon=":material/troubleshoot:", url_path="inspector"
        ),
        "settings": st.Page(settings.page, title="Settings", icon=":material/tune:", url_path="settings"),
    }
    remember_pages(pages)
    current = st.navigation(list(pages.values()), position="top")
    with failures_shown():
        current.run()


if __name__ == "__main__":  # true under Streamlit as well
    main()
