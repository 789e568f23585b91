"""What was checked about an answer: its support, what was taken out, quotes, what was searched."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import streamlit as st

from ui.schemas import Answer, Conflict, Coverage, Quote
from ui.text import counted, escape_markdown, place, shortened

Color = Literal["green", "orange", "red"]
STATES: dict[str, tuple[str, str, Color]] = {
    "grounded": ("Every claim is supported", ":material/verified:", "green"),
    "partly": ("Some claims are not supported", ":material/rule:", "orange"),
    "ungrounded": ("No claim is supported", ":material/gpp_bad:", "red"),
}
QUOTES = {
    "misattributed": "stands in another passage than the one cited",
    "stitched": "is put together from several places",
    "not_found": "stands in none of the passages word for word",
}


def answer_state(answer: Answer) -> None:
    """One line of badges above the answer: it says at once how far to trust it."""
    with st.container(horizontal=True, key=f"state-{answer.message_id}"):
        if answer.state == "cancelled":
            st.badge("Stopped before its end", icon=":material/stop_circle:", color="gray")
        if answer.weak_evidence:
            st.badge("Weak evidence: answered because you asked", icon=":material/warning:", color="orange")
        if answer.grounding in STATES:
            label, icon, color = STATES[answer.grounding]
            st.badge(label, icon=icon, color=color)


def check_notes(answer: Answer) -> None:
    """What a reader should know below the answer."""
    for conflict in answer.conflicts:
        disagreement(answer, conflict)
    for quote in answer.quotes:
        if quote.verdict in QUOTES:
            st.markdown(f":orange[:material/format_quote: {quote_note(quote)}]")
    for removed in answer.removed_claims:
        words = f"Left out, because no passage supports it: {removed.text}"
        st.markdown(f":orange[:material/remove_circle: {escape_markdown(words)}]")
    if answer.basis is not None:
        st.caption(escape_markdown(answer.basis.note))
    if answer.coverage is not None:
        st.caption(", ".join(coverage_parts(answer.coverage)))


def disagreement(answer: Answer, conflict: Conflict) -> None:
    """Two passages that do not agree, one below the other."""
    found = {source.number: source for source in (*answer.sources, *answer.also_retrieved)}
    lines = ["Your documents disagree"]
    for where, words in (
        (conflict.supporting, conflict.supporting_text),
        (conflict.disputing, conflict.disputing_text),
    ):
        source = found.get(where.number)
        name = place(source.file_name, source.page) if source else f"passage {where.number}"
        lines.append(f"**{escape_markdown(name)}:** {escape_markdown(shortened(words, 200))}")
    st.warning("\n\n".join(lines), icon=":material/compare_arrows:")


def quote_note(quote: Quote) -> str:
    """What is wrong with a quoted span, as Markdown."""
    return escape_markdown(f"“{quote.text}” {QUOTES[quote.verdict]}.")


def coverage_parts(coverage: Coverage) -> Iterator[str]:
    """`Searched 212 documents, 3 still being read, 1 failed`."""
    yield f"Searched {counted(coverage.searched, 'document')}"
    if coverage.pending:
        yield f"{coverage.pending:,} still being read"
    if coverage.failed:
        yield f"{coverage.failed:,} could not be read"
