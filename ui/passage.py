"""The window that a footnote opens: the claim, and the words it rests on, on their page."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui.client import ApiError, Client
from ui.footnotes import without_markers
from ui.schemas import Citation, Source
from ui.text import escape_markdown, place
from ui.views import passage, show_failure

VERDICT_BADGES = {
    "supported": ("Supported", ":material/check:", "green"),
    "not_supported": ("Not supported by this passage", ":material/question_mark:", "orange"),
    "contradicted": ("Contradicted by this passage", ":material/close:", "red"),
}


def open_citation(client: Client, answer: str, citation: Citation, sources: Sequence[Source]) -> None:
    """Opens the passage of a footnote."""
    source = next((each for each in sources if each.chunk_id == citation.chunk_id), None)
    title = escape_markdown(f"[{citation.number}] {place(citation.file_name, citation.page)}")
    st.dialog(title, width="large")(citation_view)(client, answer, citation, source)


def citation_view(client: Client, answer: str, citation: Citation, source: Source | None) -> None:
    """Claim, verdict, evidence and the place where it stands."""
    verdict_badge(citation)
    claim = without_markers(answer[citation.claim_start : citation.claim_end])
    if claim:
        st.markdown(f"**Claim:** {escape_markdown(claim)}")
    if source is not None and source.headings:
        st.caption(escape_markdown(" › ".join(source.headings)))
    if not page_picture(client, citation):
        passage_text(citation, source)
        return
    with st.expander("Text of the passage"):
        passage_text(citation, source)


def verdict_badge(citation: Citation) -> None:
    """The checker's verdict on the claim, with its score."""
    label, icon, color = VERDICT_BADGES[citation.verdict]
    placed = "" if citation.placed_by == "model" else ", placed by comparing the sentence with the passages"
    st.badge(label, icon=icon, color=color, help=f"Score {citation.score:.2f}{placed}")  # type: ignore[arg-type]


def page_picture(client: Client, citation: Citation) -> bool:
    """Shows the page with the evidence marked; False where the document has no picture of its pages."""
    if citation.page is None:
        return False
    try:
        image = client.page_image(citation.document_id, citation.page, citation.start, citation.end)
    except ApiError as error:
        if error.failure.code == "document_not_found":
            st.info("This document has been deleted. The footnote keeps the words it quoted.")
        elif error.failure.code != "page_image_unavailable":
            show_failure(error.failure)
        return False
    passage(citation.text)  # on a phone the page is too small to read at first sight
    st.image(image, width="stretch", alt=f"Page {citation.page} with the passage marked")
    return True


def passage_text(citation: Citation, source: Source | None) -> None:
    """The evidence inside its passage, or alone where the passage is not known any more."""
    if source is None:
        passage(citation.text, 0, len(citation.text))
    else:
        passage(source.text, citation.start - source.start, citation.end - source.start)
