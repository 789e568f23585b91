"""Links from page to page, as buttons that keep the session."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st
from streamlit.navigation.page import Page

PAGES = "pages"  # session key: the pages of the application by the last part of their address


def remember_pages(pages: Mapping[str, Page]) -> None:
    """The pages that `link` can lead to."""
    st.session_state[PAGES] = dict(pages)


def link(page: str, label: str, icon: str, help_: str | None = None, **query: str) -> None:
    """Leads to a page of the application; draws nothing where a page is shown alone, without the others."""
    target = st.session_state.get(PAGES, {}).get(page)
    if target is not None:
        st.page_link(target, label=label, icon=icon, help=help_, query_params=query)
