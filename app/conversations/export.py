"""A conversation as Markdown with footnotes (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from app.answers.schemas import Answer, CitationOut
from app.conversations.schemas import ConversationDetail

MARKUP = re.compile(r"([\\`*_\[\]<>$|~])")
BLOCK_START = re.compile(r"^(\s*)([#+-]|\d+[.)])", re.MULTILINE)
MARKER = re.compile(r"\\\[(\d+)\\\]")
NOT_ANSWERED = {
    "refused": "The documents don't say.",
    "failed": "This question could not be answered.",
    "pending": "The answer is still being written.",
}
VERDICTS = {
    "supported": "supported",
    "not_supported": "not supported",
    "contradicted": "contradicted",
}


def markdown(conversation: ConversationDetail) -> str:
    """Every turn as a section, footnotes in the form that GitHub and Pandoc read.

    Words of documents and models are escaped: nothing in them may act, or load anything, when it is shown.
    """
    parts = [f"# {plain(conversation.title)}"]
    for number, turn in enumerate(conversation.messages, start=1):
        parts += turn_parts(turn, number)
    return "\n\n".join(parts) + "\n"


def turn_parts(turn: Answer, number: int) -> Iterator[str]:
    """The blocks of one turn; its footnotes are called `turn-number`."""
    yield f"## {plain(one_line(turn.question))}"
    if turn.standalone_question and turn.standalone_question.strip() != turn.question.strip():
        yield f"Understood as: {plain(one_line(turn.standalone_question))}"
    if turn.state in NOT_ANSWERED:
        yield f"*{NOT_ANSWERED[turn.state]}*"
        return
    cited = {citation.number for citation in turn.citations}
    yield MARKER.sub(
        lambda match: f"[^{number}-{match[1]}]" if int(match[1]) in cited else match[0],
        plain(turn.answer or ""),
    )
    if turn.state == "cancelled":
        yield "*Stopped before its end.*"
    for cited_number in sorted(cited):
        notes = [each for each in turn.citations if each.number == cited_number]
        yield f"[^{number}-{cited_number}]: {note(notes)}"


def note(citations: Sequence[CitationOut]) -> str:
    """File and page, then each quoted span with its verdict."""
    first = citations[0]
    place = plain(first.file_name) + (f", page {first.page}" if first.page is not None else "")
    spans = dict.fromkeys((each.text, VERDICTS[each.verdict]) for each in citations)
    quoted = "; ".join(f"“{plain(one_line(text))}” ({verdict})" for text, verdict in spans)
    return f"{place}: {quoted}"


def plain(text: str) -> str:
    """Markdown that reads as the text."""
    return BLOCK_START.sub(r"\1\\\2", MARKUP.sub(r"\\\1", text))


def one_line(text: str) -> str:
    return " ".join(text.split())
