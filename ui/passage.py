"""The panel that a footnote opens: the claim, and the words it rests on, on their page."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ui.cited import show_cited
from ui.client import ApiError, Client
from ui.footnotes import without_markers
from ui.schemas import Answer, Citation, Hit, Source
from ui.text import escape_markdown, place
from ui.verdicts import VERDICTS
from ui.views import passage, show_failure

NO_PICTURE = "page_image_unavailable"
EXPLAINED = {"document_not_found", "version_purged", NO_PICTURE}

Picture = Callable[[Citation], bool]
"""Shows the page of a citation; False where there is no picture."""


def open_citation(client: Client, answer: Answer, index: int) -> None:
    """Opens the passage of a footnote beside the answer."""
    open_panel(answer, index, lambda citation: page_picture(client, citation))


def open_shared_citation(answer: Answer, index: int) -> None:
    """The same for a reader who has a link only: the passage, not the document."""
    open_panel(answer, index, lambda _: False)


def open_panel(answer: Answer, index: int, picture: Picture) -> None:
    """A drawer at the right: Escape closes it, and the keyboard is back where it was."""
    st.dialog("Where this stands", width="medium", position="right")(panel)(answer, index, picture)


def panel(answer: Answer, first: int, picture: Picture) -> None:
    """One footnote at a time, with a way to the others."""
    with st.container(key="panel"):
        footnote(answer, chosen(answer, first), picture)


def footnote(answer: Answer, index: int, picture: Picture) -> None:
    """Claim, verdict, and the passage on its page or as text."""
    citation = answer.citations[index]
    source = next((each for each in answer.sources if each.chunk_id == citation.chunk_id), None)
    st.markdown(f"**{escape_markdown(f'[{citation.number}] {place(citation.file_name, citation.page)}')}**")
    show_cited(citation)
    verdict_badge(citation)
    claim = without_markers((answer.answer or "")[citation.claim_start : citation.claim_end])
    if claim:
        st.markdown(f"**Claim:** {escape_markdown(claim)}")
    if source is not None and source.headings:
        st.caption(escape_markdown(" › ".join(source.headings)))
    if not picture(citation):
        passage_text(citation, source)
        return
    with st.expander("Text of the passage"):
        passage_text(citation, source)


def open_hit(client: Client, hit: Hit) -> None:
    """Opens a passage that search found."""
    st.dialog("Where this stands", width="medium", position="right")(hit_panel)(client, hit)


def hit_panel(client: Client, hit: Hit) -> None:
    """The passage on its page, or as text."""
    st.markdown(f"**{escape_markdown(place(hit.file_name, hit.page))}**")
    if hit.page is None or not picture_of(client, hit, hit.page):
        passage(hit.text, 0, len(hit.text))


def chosen(answer: Answer, first: int) -> int:
    """The footnote to show: the one that was clicked, or another chosen in the panel."""
    if len(answer.citations) == 1:
        return first
    picked = st.segmented_control(
        "Footnote",
        range(len(answer.citations)),
        default=first,
        format_func=lambda index: f"{index + 1} of {len(answer.citations)}",
        key=f"panel-{answer.message_id}-{first}",
        label_visibility="collapsed",
    )
    return first if picked is None else picked


def verdict_badge(citation: Citation) -> None:
    """The checker's verdict on the claim, with its score."""
    look = VERDICTS[citation.verdict]
    placed = "" if citation.placed_by == "model" else ", placed by comparing the sentence with the passages"
    words = f"{look.label} by this passage" if citation.verdict != "supported" else look.label
    st.badge(words, icon=look.icon, color=look.color, help=f"Score {citation.score:.2f}{placed}")


def page_picture(client: Client, citation: Citation) -> bool:
    """Shows the page with the evidence marked; False where the document has no picture of its pages."""
    return citation.page is not None and picture_of(client, citation, citation.page)


def picture_of(client: Client, span: Citation | Source, page: int) -> bool:
    """The words, then their page with them marked; False, and perhaps why, where there is no picture."""
    try:
        image = client.page_image(span.document_id, page, span.start, span.end, version=span.document_version)
    except ApiError as error:
        # what became of a citation's document has been said above
        explained = EXPLAINED if isinstance(span, Citation) else {NO_PICTURE}
        if error.failure.code not in explained:
            show_failure(error.failure)
        return False
    passage(span.text)  # on a phone the page is too small to read at first sight
    st.image(image, width="stretch", alt=f"Page {page} with the passage marked")
    return True


def passage_text(citation: Citation, source: Source | None) -> None:
    """The evidence inside its passage, or alone where the passage is not known any more."""
    if source is None:
        passage(citation.text, 0, len(citation.text))
    else:
        passage(source.text, citation.start - source.start, citation.end - source.start)
