"""A long list page by page: the part that is shown, and the field that chooses another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar

import streamlit as st

Item = TypeVar("Item")


def load_page(
    key: str, size: int, load: Callable[[int, int], tuple[list[Item], int]]
) -> tuple[list[Item], int]:
    """The chosen page of a list and how many items there are in all, from `load(limit, offset)`.

    The key names the list and its filter: a page of one is no page of another. Where the list no longer
    reaches to the chosen page, the first one is shown.
    """
    offset = size * (st.session_state.get(key, 1) - 1)
    items, total = load(size, offset)
    if offset >= total > 0:
        st.session_state[key] = 1
        items, total = load(size, 0)
    return items, total


def page_field(key: str, size: int, total: int, width: int | Literal["stretch"] = "stretch") -> None:
    """Chooses the page, where there are several; drawn after `load_page`, which may set it."""
    pages = -(-total // size)
    if pages > 1:
        st.number_input(f"Page of {pages}", 1, pages, key=key, width=width)
