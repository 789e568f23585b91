"""The words of a prompt for a decoder without adapter: the task is shown by examples.

A base decoder is not instruction-tuned, so it sees three short examples (few-shot, Brown et al. 2020) about
invented things; no example can answer a user's question. It does best with one passage.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_INSTRUCTION = (
    "Each question is answered briefly, in the words of the source that holds the answer, and the number of "
    "that source follows in brackets.\n\n"
)
ANSWERS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        (
            "Harlow Bridge was opened to traffic in May 1931 after four years of work. "
            "It carries two lanes and a footpath over the Wend.",
            "The ferry at Wend Landing runs every twenty minutes between six in the morning "
            "and nine at night. A return ticket costs 4.50 crowns.",
        ),
        "How much is a return ticket for the ferry?",
        "4.50 crowns [2]",
    ),
    (
        (
            "Dr. Ines Valko led the survey of the northern reef from 2009 until she retired in 2016. "
            "Her deputy, Tomas Reer, took over after her.",
            "Members may borrow up to six books for three weeks. Each day of delay costs ten cents a book.",
        ),
        "Who took over the survey of the northern reef?",
        "Tomas Reer [1]",
    ),
    (
        (
            "The plant needs 40 litres of cooling water a minute. "
            "The pumps are checked twice a year, in March and in October.",
            "Night shifts start at 22:00. "
            "Workers on a night shift get a meal and a paid break of 45 minutes.",
        ),
        "When are the pumps checked?",
        "In March and October [1]",
    ),
)
REWRITES = (
    (
        "Who runs the ferry at Wend Landing?",
        "How much does it cost?",
        "How much does the ferry at Wend Landing cost?",
    ),
    ("When was Harlow Bridge opened?", "And who built it?", "Who built Harlow Bridge?"),
    ("How many books may members borrow?", "What about guests?", "How many books may guests borrow?"),
)
_SOURCES = "Sources:\n"
_MARKER_LIKE = re.compile(r"[\[［【]\s*(\d+)\s*[\]］】]")
_LABEL = re.compile(r"(question|answer|sources|follow-up)\s*[:：]", re.IGNORECASE)


class FewShotTemplate:
    """An `AnswerTemplate` that needs no training."""

    max_passages = 1
    stop = ("\n", "Question:", "Sources:")
    no_answer = None  # the evidence gate alone refuses

    @property
    def preamble(self) -> str:
        """The instruction, the examples, and the heading of the passages."""
        return _INSTRUCTION + "".join(map(self._answered, ANSWERS)) + _SOURCES

    def passage_segment(self, number: int, text: str, headings: Sequence[str] = ()) -> str:
        """One numbered passage on one line, behind its headings."""
        return f"[{number}] {_one_line(': '.join((*headings, text)))}\n"

    def question_segment(self, text: str) -> str:
        """The question and the word that the answer follows."""
        return f"Question: {_one_line(text)}\nAnswer:"

    def ask_segment(self, number: int) -> str:  # noqa: ARG002
        """The word that a question follows: the examples show one behind every source."""
        return "Question:"

    def rewrite_segments(self, earlier: list[str], last: str) -> list[str]:
        """Three examples of a follow-up made complete, and the one to complete behind its predecessor."""
        shown = "".join(f"{_follow_up(first, second)} {whole}\n\n" for first, second, whole in REWRITES)
        return [shown, _follow_up(_one_line(earlier[-1]), _one_line(last))]

    def _answered(self, example: tuple[Sequence[str], str, str]) -> str:
        texts, question, answer = example
        passages = "".join(self.passage_segment(number, text) for number, text in enumerate(texts, start=1))
        return f"{_SOURCES}{passages}{self.question_segment(question)} {answer}\n\n"


def _follow_up(first: str, second: str) -> str:
    return f"First question: {first}\nFollow-up: {second}\nComplete follow-up:"


def _one_line(text: str) -> str:
    """One line in which nothing can pass for a marker or a label of ours."""
    return " ".join(_LABEL.sub(r"\1 -", _MARKER_LIKE.sub(r"(\1)", text)).split())
