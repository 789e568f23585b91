"""One turn of a conversation as it is kept: the question, and an answer in whichever state it ended."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui.answer_text import answer_text
from ui.schemas import Answer, Citation, Failure, Refusal, Source
from ui.text import counted, escape_markdown, place, shortened
from ui.views import show_failure, source_list

PERSON, FOOTNOTE = ":material/person:", ":material/format_quote:"
REASONS = {
    "no_documents": "There is no document to look in.",
    "no_passages": "Nothing in the documents resembles the question.",
    "weak_evidence": "Some passages touch on it, but none answers it well enough.",
    "no_answer_found": "The passages that were found do not contain an answer.",
    "no_supported_claim": "An answer was written, but the passages support none of it.",
}
VERDICT_ICONS = {
    "supported": ":material/check_circle:",
    "not_supported": ":material/help:",
    "contradicted": ":material/cancel:",
}


def question_bubble(question: str) -> None:
    """What was asked."""
    with st.chat_message("user", avatar=PERSON):
        st.markdown(escape_markdown(question))


def show_answer(answer: Answer) -> int | None:
    """A finished answer; returns the index of the citation that was clicked in this run."""
    opened = None
    with st.chat_message("assistant", avatar=FOOTNOTE):
        rewritten(answer.question, answer.standalone_question)
        if answer.state == "refused":
            refusal(answer.refusal, answer.also_retrieved)
        elif answer.state == "failed":
            show_failure(answer.error or unexplained(), "This question could not be answered.")
        else:
            opened = cited_answer(answer)
    return opened


def rewritten(question: str, standalone: str | None) -> None:
    """Shows how a follow-up was understood, where that differs from what was typed."""
    if standalone and standalone.strip() != question.strip():
        st.caption(f"Understood as: {escape_markdown(standalone)}")


def cited_answer(answer: Answer) -> int | None:
    """Text with footnotes, the footnotes as a list, then what was found but not used."""
    if answer.state == "cancelled":
        st.badge("Stopped", icon=":material/stop_circle:", color="gray")
    opened = answer_text(answer.answer or "", answer.citations, key=f"answer-{answer.message_id}")
    listed = footnote_list(answer.message_id, answer.citations)
    also_retrieved(answer.also_retrieved)
    return opened if opened is not None else listed


def footnote_list(message_id: int, citations: Sequence[Citation]) -> int | None:
    """A button a footnote: easier to hit on a phone than the number in the text."""
    clicked = None
    for index, citation in enumerate(citations):
        where = escape_markdown(place(citation.file_name, citation.page))
        words = escape_markdown(shortened(citation.text, 90))
        label = f"**\\[{citation.number}\\]** {where}: {words}"
        key = f"note-{message_id}-{index}"
        if st.button(label, key=key, icon=VERDICT_ICONS[citation.verdict], type="tertiary", width="stretch"):
            clicked = index
    return clicked


def also_retrieved(sources: Sequence[Source]) -> None:
    """Passages that the answer does not rest on."""
    if sources:
        with st.expander(f"Also retrieved: {counted(len(sources), 'passage')}"):
            source_list(sources)


def refusal(why: Refusal | None, sources: Sequence[Source]) -> None:
    """The honest answer when nothing was found that is good enough, and what may be missing."""
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
    st.html(f'<div class="meter">{bar}</div>')


def missing_files(why: Refusal) -> None:
    """Files that could hold the answer but cannot be searched."""
    if why.documents_pending:
        st.caption(f"{counted(why.documents_pending, 'document')} still being read: ask again when done.")
    if why.documents_failed:
        st.caption(f"{counted(why.documents_failed, 'document')} could not be read: see Documents.")
    if not why.documents_ready:
        st.caption("No document is ready to be searched.")


def unexplained() -> Failure:
    """For a failed answer whose reason was not kept."""
    return Failure(code="internal_error", cause="The answer failed.", next_step="Ask the question again.")
