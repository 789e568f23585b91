"""A document as search sees it: its passages beside the page that they were cut from."""

from __future__ import annotations

from functools import partial

import streamlit as st

from ui.client import ApiError, Client
from ui.schemas import Document, Passage
from ui.text import counted, escape_markdown
from ui.views import failures_shown, passage, show_failure

AT_ONCE = 20  # passages, where a document has no pages
LOOKED_AT = "passages-of"  # session key: the document whose passages are open
NO_PICTURE = "page_image_unavailable"


def passages_button(document: Document) -> None:
    """Opens them; there are none before a version has been read."""
    if document.ready_version is None:
        return
    if st.button(
        "Passages",
        key=f"passages-{document.id}",
        icon=":material/segment:",
        type="tertiary",
        help="What search and answers see of this document, beside its pages.",
    ):
        st.session_state[LOOKED_AT] = document.id
        st.rerun()  # the whole page: the window is not a part of the list, which is drawn anew by itself


def show_passages(client: Client) -> None:
    """The open window, if there is one; it stays while the list behind it is drawn anew."""
    if (document_id := st.session_state.get(LOOKED_AT)) is None:
        return
    try:
        document = client.document(document_id)
    except ApiError as error:
        leave()
        show_failure(error.failure)
        return
    st.dialog(
        escape_markdown(document.file_name), width="large", icon=":material/segment:", on_dismiss=leave
    )(window)(client, document)


def leave() -> None:
    """Closes it."""
    st.session_state.pop(LOOKED_AT, None)


def window(client: Client, document: Document) -> None:
    """One page of the document, or one part of a document without pages."""
    with st.container(key="passages"), failures_shown():
        if document.paged and document.page_count:
            one_page(client, document, document.page_count)
        else:
            one_part(client, document)


def one_page(client: Client, document: Document, pages: int) -> None:
    """Passages at the left, their page at the right; on a phone the page stands above them."""
    number = 1
    if pages > 1:
        key = f"passages-page-{document.id}"
        number = int(st.number_input(f"Page of {pages:,}", 1, pages, key=key, width=170))
    found = client.passages(document.id, page=number, limit=200).items
    if not found:
        st.info("No passage was cut from this page: it has no text that could be read.")
    beside, page = st.columns(2)
    with beside:
        chosen = choice(found, f"{document.id}-{number}")
    with page:
        picture(client, document, number, chosen)


def one_part(client: Client, document: Document) -> None:
    """Passages of a document that has no pages to show."""
    total = document.chunk_count or 0
    parts = -(-total // AT_ONCE)
    number = 1
    if parts > 1:
        key = f"passages-part-{document.id}"
        number = int(st.number_input(f"Part of {parts:,}", 1, parts, key=key, width=170))
    found = client.passages(document.id, limit=AT_ONCE, offset=AT_ONCE * (number - 1)).items
    st.caption(f"{counted(total, 'passage')} in the order of the text.")
    for each in found:
        heading(each)
        passage(each.text)


def choice(found: list[Passage], place: str) -> Passage | None:
    """Every passage of a page; a click marks another one on the page."""
    key = f"passage-marked-{place}"
    marked = min(st.session_state.get(key, 0), len(found) - 1)
    for index, each in enumerate(found):
        with st.container(key=f"{'marked' if index == marked else 'passage'}-{each.chunk_id}"):
            heading(each)
            if index != marked:
                show = partial(st.session_state.update, {key: index})
                st.button(
                    "Show on the page",
                    key=f"{key}-{index}",
                    icon=":material/visibility:",
                    on_click=show,
                    type="tertiary",
                )
            elif len(found) > 1:
                st.badge("Marked on the page", icon=":material/visibility:", color="orange")
            passage(each.text)
    return found[marked] if found else None


def heading(each: Passage) -> None:
    """Its number, its length, where it goes on, and what stands above it in the document."""
    facts = counted(each.tokens, "token")
    if each.page_first != each.page_last:
        facts += f", pages {each.page_first} to {each.page_last}"
    st.markdown(f"**Passage {each.position + 1:,}** · {facts}")
    if each.headings:
        st.caption(escape_markdown(" › ".join(each.headings)))


def picture(client: Client, document: Document, number: int, marked: Passage | None) -> None:
    """The page with one passage marked; where it cannot be drawn the passages stand alone."""
    start, end = (0, 0) if marked is None else (marked.start, marked.end)
    try:
        image = client.page_image(document.id, number, start, end, version=document.ready_version)
    except ApiError as error:
        if error.failure.code != NO_PICTURE:
            raise
        st.caption("There is no picture of this page.")
        return
    st.image(image, width="stretch", alt=f"Page {number} with the passage marked")
