"""The honest answer when the documents hold none: why, how far off, and what may be missing."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui.schemas import Refusal, Source, UnreadFile
from ui.text import counted, escape_markdown, place
from ui.views import source_list

FILES_NAMED = 5
REASONS = {
    "no_documents": "There is no document to look in.",
    "no_passages": "Nothing in the documents resembles the question.",
    "weak_evidence": "Some passages touch on it, but none answers it well enough.",
    "no_answer_found": "The passages that were found do not contain an answer.",
    "no_supported_claim": "An answer was written, but the passages support none of it.",
}


def refusal(why: Refusal | None, sources: Sequence[Source]) -> None:
    """Why there is no answer, and what came closest."""
    with st.container(border=True):
        st.markdown("#### Your documents don't say")
        if why is not None:
            st.markdown(REASONS.get(why.reason) or escape_markdown(why.reason))
            evidence_meter(why)
            near_misses(why)
            filters(why)
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


def near_misses(why: Refusal) -> None:
    """The passages that came closest, with how much they lack."""
    for miss in why.near_misses[:3]:
        where = escape_markdown(place(miss.file_name, miss.page))
        lacks = f", {miss.short_by:.2f} too low" if miss.short_by else ""
        st.markdown(f"- {where}: {miss.score:.2f}{lacks}")


def filters(why: Refusal) -> None:
    """What the search was limited to, because the answer may stand outside of it."""
    names = [*why.filters.collections, *why.filters.documents]
    if names:
        st.caption(escape_markdown(f"Only searched in: {', '.join(names)}"))


def missing_files(why: Refusal) -> None:
    """Files that could hold the answer but cannot be searched."""
    if why.documents_pending:
        names = named(why.pending_files)
        st.caption(
            f"{counted(why.documents_pending, 'document')} still being read{names}: ask again when done."
        )
    if why.documents_failed:
        names = named(why.failed_files)
        st.caption(f"{counted(why.documents_failed, 'document')} could not be read{names}: see Documents.")
    if not why.documents_ready:
        st.caption("No document is ready to be searched.")


def named(files: Sequence[UnreadFile]) -> str:
    """The first names in brackets."""
    if not files:
        return ""
    more = ", …" if len(files) > FILES_NAMED else ""
    return f" ({escape_markdown(', '.join(each.file_name for each in files[:FILES_NAMED]))}{more})"
