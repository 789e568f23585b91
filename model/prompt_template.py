"""How the answerer's tasks are written as text: what it was trained on is what it must be given.

A prompt is a list of segments that are tokenised one by one, so that a passage has the same tokens wherever
it stands and its keys and values can be kept. The template travels inside the adapter's file.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar

# What a passage could pass off as ours: a marker, the words before a question and an answer, and letters that
# nobody sees (zero width, direction, tags), which would hide either.
_BRACKETED_NUMBER = re.compile(r"[\[［【]\s*(\d+)\s*[\]］】]")
_LABEL = re.compile(r"(question|answer)\s*[:：]", re.IGNORECASE)
_UNSEEN = re.compile(
    "[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]"
)


@dataclass(frozen=True, slots=True)
class PromptTemplate:
    """The fixed words around passages and questions; every field is a format string or plain text."""

    preamble: str = (
        "Answer each question from the numbered passages and cite them in brackets. "
        "If they do not hold the answer, write [0].\n\n"
    )
    passage: str = "[{number}] {text}\n"
    question: str = "\nQuestion: {text}\nAnswer:"
    full_question: str = "\nQuestion: {text}\nFull answer:"  # asks for sentences rather than words
    ask: str = "\nA question that passage [{number}] answers:"
    rewrite_preamble: str = "Rewrite the last question so that it can be understood alone.\n\n"
    rewrite_turn: str = "Question: {text}\n"
    rewrite_lead: str = "Last question: {text}\nStandalone question:"
    no_answer: str = "[0]"  # the whole answer where the passages hold none

    max_passages: ClassVar[int | None] = None  # in one prompt; None: as many as fit
    stop: ClassVar[tuple[str, ...]] = ("\n",)  # every task is answered on one line

    @property
    def id(self) -> str:
        """First digits of the checksum of all fields."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    def to_json(self) -> str:
        """For the metadata of a weights file."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> PromptTemplate:
        """The template that `to_json` wrote; raises ValueError for unknown, missing or mistyped fields."""
        fields = json.loads(text)
        if not isinstance(fields, dict) or set(fields) != set(cls.__slots__):
            raise ValueError(f"a prompt template has the fields {', '.join(cls.__slots__)}")
        if not all(isinstance(value, str) for value in fields.values()):
            raise ValueError("every field of a prompt template is text")
        return cls(**fields)

    def passage_segment(self, number: int, text: str, headings: Sequence[str] = ()) -> str:
        """One numbered passage on one line, behind the headings it stands under, outermost first."""
        return self.passage.format(number=number, text=one_line(under_headings(headings, text)))

    def question_segment(self, text: str, *, full: bool = False) -> str:
        """The question and the words that the answer follows."""
        return (self.full_question if full else self.question).format(text=one_line(text))

    def ask_segment(self, number: int) -> str:
        """Asks for a question that one passage answers."""
        return self.ask.format(number=number)

    def rewrite_segments(self, earlier: list[str], last: str) -> list[str]:
        """Earlier questions, oldest first, and the one to rewrite."""
        turns = [self.rewrite_turn.format(text=one_line(text)) for text in earlier]
        return [self.rewrite_preamble, *turns, self.rewrite_lead.format(text=one_line(last))]


def under_headings(headings: Sequence[str], text: str) -> str:
    """A passage behind what says what it is about, for alone it often does not; nothing is said twice."""
    above = [heading for heading in headings if heading and not text.startswith(heading)]
    return ": ".join((*above, text))


def one_line(text: str) -> str:
    """One line in which nothing can pass for ours: no marker, no label of a question or an answer."""
    seen = _LABEL.sub(r"\1 -", _BRACKETED_NUMBER.sub(r"(\1)", _UNSEEN.sub("", text)))
    return " ".join(seen.split())
