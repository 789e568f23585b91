"""One turn of a conversation as it is kept: the question, and an answer in whichever state it ended."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui.answer_text import answer_text
from ui.checks import answer_state, check_notes, coverage_parts
from ui.refusal import refusal
from ui.schemas import Answer, Citation, Failure, Source
from ui.text import counted, escape_markdown, place, shortened
from ui.verdicts import VERDICTS
from ui.views import show_failure, source_list

PERSON, FOOTNOTE = ":material/person:", ":material/format_quote:"


def question_bubble(question: str) -> None:
    """What was asked."""
    with st.chat_message("user", avatar=PERSON):
        st.markdown(escape_markdown(question))


def show_answer(answer: Answer, key: str, reveal: str = "") -> int | None:
    """A finished answer; returns the index of the citation that was clicked in this run.

    `reveal` is the key of a container that the page shows at the top at first.
    """
    if answer.state == "refused":
        refusal(answer.refusal, answer.also_retrieved)
        if answer.coverage is not None:
            st.caption(", ".join(coverage_parts(answer.coverage)))
    elif answer.state == "failed":
        show_failure(answer.error or unexplained(), "This question could not be answered.")
    elif answer.state == "pending":
        st.caption("The answer is still being written.")
    else:
        return cited_answer(answer, key, reveal)
    return None


def rewritten(question: str, standalone: str | None) -> bool:
    """Shows how a follow-up was understood, where that differs from what was typed; says whether it did."""
    differs = bool(standalone and standalone.strip() != question.strip())
    if differs:
        st.caption(f"Understood as: {escape_markdown(standalone or '')}")
    return differs


def cited_answer(answer: Answer, key: str, reveal: str) -> int | None:
    """Text with footnotes, the footnotes as a list, then what was found but not used."""
    answer_state(answer)
    opened = answer_text(answer.answer or "", answer.citations, key=f"answer-{key}", reveal=reveal)
    listed = footnote_list(key, answer.citations)
    check_notes(answer)
    also_retrieved(answer.also_retrieved)
    return opened if opened is not None else listed


def footnote_list(key: str, citations: Sequence[Citation]) -> int | None:
    """A button a footnote: easier to hit on a phone than the number in the text."""
    clicked = None
    for index, citation in enumerate(citations):
        verdict = VERDICTS[citation.verdict]
        where = escape_markdown(place(citation.file_name, citation.page))
        words = escape_markdown(shortened(citation.text, 90))
        label = f"**\\[{citation.number}\\]** {where}: {words} :{verdict.color}[{verdict.label}]"
        if st.button(
            label, key=f"note-{key}-{index}", icon=verdict.icon, type="tertiary", width="stretch", wrap=True
        ):
            clicked = index
    return clicked


def also_retrieved(sources: Sequence[Source]) -> None:
    """Passages that the answer does not rest on."""
    if sources:
        with st.expander(f"Also retrieved: {counted(len(sources), 'passage')}"):
            source_list(sources)


def unexplained() -> Failure:
    """For a failed answer whose reason was not kept."""
    return Failure(code="internal_error", cause="The answer failed.", next_step="Ask the question again.")
