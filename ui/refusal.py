"""The honest answer when the documents hold none: why, how far off, and what may be missing."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui.schemas import Refusal, Source
from ui.text import counted, escape_markdown
from ui.views import source_list

REASONS = {
    "no_documents": "There is no document to look in.",
    "no_passages": "Nothing in the documents resembles the question.",
    "weak_evidence": "Some passages touch on it, but none answers it well enough.",
    "no_answer_found": "The passages that were found do not contain an answer.",
}


def refusal(why: Refusal | None, sources: Sequence[Source]) -> None:
    """Why there is no answer, and what came closest."""
    with st.container(border=True):
        st.markdown("#### Your documents don't say")
        if why is not None:
            st.markdown(REASONS.get(why.reason) or escape_markdown(why.reason))
            evidence_meter(why)
            missing_files(why)
    if sources:
        with st.expander(f"Closest passages: {len(sources)}"):
            source_list(sources)


def evidence_meter(why: Refusal) -> None:
    """Best score against the threshold."""
    if why.threshold is None:
        return
    if why.best_score is None:
        st.caption("No passage was found at all.")
        return
    st.caption(f"Best passage {why.best_score:.2f}, needed {why.threshold:.2f}")
    best, needed = (100 * min(1.0, max(0.0, value)) for value in (why.best_score, why.threshold))
    bar = f'<div style="width: {best:.0f}%"></div><span style="left: {needed:.0f}%"></span>'
    st.html(f'<div class="meter" aria-hidden="true">{bar}</div>')


def missing_files(why: Refusal) -> None:
    """Files that could hold the answer but cannot be searched."""
    if why.documents_pending:
        st.caption(f"{counted(why.documents_pending, 'document')} still being read: ask again when done.")
    if why.documents_failed:
        st.caption(f"{counted(why.documents_failed, 'document')} could not be read: see Documents.")
    if not why.documents_ready:
        st.caption("No document is ready to be searched.")
