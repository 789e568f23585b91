"""Pieces that several pages show: errors, passages, footnotes, the choice of collections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import streamlit as st

from ui.client import ApiError, Client
from ui.schemas import Failure, Source
from ui.text import escape_markdown, marked_html, place

STYLE = """
<style>
.stMainBlockContainer { max-width: 50rem; padding: 4.5rem 1.5rem 4rem; }
.stApp [data-testid="stBottomBlockContainer"] { max-width: 50rem; padding: 0.75rem 1.5rem 1.25rem; }
.passage {
  white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.6;
  border-left: 3px solid rgba(29, 111, 116, 0.45); padding: 0.2rem 0 0.2rem 1rem; margin: 0.2rem 0;
}
.passage mark { background: #fbe3a1; color: #22302f; border-radius: 0.2em; }
[data-testid="stCaptionContainer"] { color: inherit; opacity: 0.85; }
.meter { position: relative; height: 0.5rem; border-radius: 0.25rem; background: rgba(128, 128, 128, 0.2); }
.meter div { height: 100%; border-radius: 0.25rem; background: #c9892b; }
.meter span { position: absolute; top: -0.25rem; height: 1rem; border-left: 2px solid currentColor; }
[class*="st-key-conversation-"] button, [class*="st-key-note-"] button, [class*="st-key-inspect-"] button {
  justify-content: flex-start; text-align: left; padding: 0.3rem 0.6rem;
}
[class*="st-key-conversation-"] button *, [class*="st-key-note-"] button *,
[class*="st-key-inspect-"] button * { justify-content: flex-start; }
[class*="st-key-conversation-"] button p { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
[class*="st-key-note-"] { margin-bottom: -0.75rem; }
[class*="st-key-marked-"] .passage { border-left-color: #c9892b; }
.st-key-found ul { margin: 0; font-size: 0.9rem; }
[class*="st-key-asked-"] { gap: 0; scroll-margin-top: 4rem; }
[class*="st-key-asked-"] [class*="st-key-edit-"] { display: flex; justify-content: flex-end; }
@media (min-width: 1500px) {  /* room enough for the panel beside the answer */
  body:has(.st-key-panel) .stMainBlockContainer {
    align-self: flex-start; margin: 0; max-width: calc(100vw - 300px - 48rem);
  }
  body:has(.st-key-panel) [data-testid="stDialog"] { background: transparent; }
}
@media (max-width: 640px) {
  .stMainBlockContainer, .stApp [data-testid="stBottomBlockContainer"] {
    padding-left: 1rem; padding-right: 1rem;
  }
  .stChatMessage > [data-testid^="stChatMessageAvatar"] { display: none; }  /* room for words */
  .stChatMessage { padding-left: 0; padding-right: 0; }
  [class*="st-key-asked-"] .stChatMessage, .stChatMessage:has([aria-label="Chat message from user"]) {
    padding-left: 0.75rem; padding-right: 0.75rem;
  }
  .st-key-passages [data-testid="stHorizontalBlock"]:has(> [data-testid="stColumn"]) {
    flex-direction: column-reverse;  /* the page first, then what was cut from it */
  }
}
</style>
"""


DARK_STYLE = """
<style>
[data-testid^="stBaseButton-primary"] { color: #10201f; }  /* white is too faint on this page's light green */
</style>
"""
DURING = {  # stage to what was being done
    "fetched": "fetching",
    "stored": "storing",
    "parse": "parsing",
    "chunk": "cutting passages",
    "embed": "embedding",
    "index": "adding to the index",
}


def failed_where(failure: Failure) -> str:
    """Stage, page where it is known, and code, for whoever looks further."""
    page = "" if failure.page is None else f" · page {failure.page:,}"
    return f"Failed while {DURING.get(failure.stage, 'reading')}{page} · `{failure.code}`"


def show_failure(failure: Failure, title: str | None = None) -> None:
    """A failure as its cause and the next step."""
    heading = f"**{escape_markdown(title)}**  \n" if title else ""
    lines = f"{escape_markdown(failure.cause)}  \n{escape_markdown(failure.next_step)}"
    st.error(heading + lines, icon=":material/error:")


@contextmanager
def failures_shown() -> Iterator[None]:
    """Shows an ApiError in place of whatever the block could not show."""
    try:
        yield
    except ApiError as error:
        show_failure(error.failure)


def passage(text: str, start: int = 0, end: int = 0) -> None:
    """A document's words as they are, the span text[start:end] marked."""
    st.html(f'<div class="passage">{marked_html(text, start, end)}</div>')


def source_heading(source: Source) -> None:
    """Number, file, page and headings of a passage."""
    st.markdown(f"**[{source.number}]** {escape_markdown(place(source.file_name, source.page))}")
    if source.headings:
        st.caption(escape_markdown(" › ".join(source.headings)))


def source_list(sources: Sequence[Source]) -> None:
    """Passages one below the other, each with its score."""
    for source in sources:
        with st.container(border=True):
            source_heading(source)
            passage(source.text)
            if source.score is not None:
                st.caption(f"Relevance {source.score:.2f}")


def collection_filter(client: Client, key: str) -> list[int]:
    """The collections to search; empty means all of them, and one collection needs no choice."""
    collections = client.collections()
    if len(collections) < 2:
        return []
    names = {each.id: each.name for each in collections}
    return st.multiselect(
        "Search in",
        list(names),
        format_func=lambda id_: names.get(id_, ""),
        placeholder="All collections",
        key=key,
    )


def chosen_collections(key: str) -> list[int]:
    """What `collection_filter` was set to when it was last drawn."""
    chosen: list[int] = st.session_state.get(key, [])
    return chosen
