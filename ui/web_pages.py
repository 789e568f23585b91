"""A form that has a page of the web, and pages of its site, read into a collection."""

from __future__ import annotations

import streamlit as st

from ui.client import ApiError, Client
from ui.schemas import Collection, Upload

MOST_PAGES = 20  # of a site, where its links are followed
FORM = "web-page-number"  # session key; a new number gives a new, closed form


def web_page_form(client: Client, collection: Collection) -> list[Upload] | None:
    """The refusal to begin, or nothing where it has begun; None until somebody asks for a page."""
    number = st.session_state.setdefault(FORM, 0)
    with (
        st.popover("Add a web page", icon=":material/language:", key=f"web-page-{number}"),
        st.form("read-url", border=False, clear_on_submit=True),
    ):
        url = st.text_input("Address", placeholder="https://", max_chars=2000).strip()
        follow = st.checkbox(
            "Also the pages it links to",
            help=f"Pages of the same site only, {MOST_PAGES} at most; robots.txt is respected.",
        )
        if not st.form_submit_button("Read it", type="primary") or not url:
            return None
        return begin(client, collection, url, follow=follow)


def begin(client: Client, collection: Collection, url: str, *, follow: bool) -> list[Upload]:
    """Has it read while the page goes on; what is refused at once is an outcome."""
    try:
        client.sites.start(collection.id, url, depth=1 if follow else 0, pages=MOST_PAGES if follow else 1)
    except ApiError as error:
        return [Upload(file_name=url, status="rejected", error=error.failure)]
    st.session_state[FORM] += 1  # it would stand before the progress
    return []
