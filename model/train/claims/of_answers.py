"""A question and an answer as a claim: the right answer, or a wrong one that looks right."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Sequence

from model.train.claims import edits
from model.train.claims.data import CONTRADICTED, NOT_SUPPORTED, SUPPORTED, WINDOW_WORDS, Example, window
from model.train.claims.material import Material
from model.train.claims.statements import Statement, declarative, plain
from model.train.data import Question

_ANSWER_KINDS = {"right": 0.46, "wrong_here": 0.30, "wrong_there": 0.12, "right_there": 0.12}
_QUESTION_WEIGHTS = {
    "qa_qed_nq": 0.36,
    "qa_squad1.1dev_13articles": 0.30,
    "qa_selqa_sentences": 0.06,
    "qa_fairytaleqa": 0.16,
    "qa_covidqa": 0.12,
}
_WORD = re.compile(r"\w+")


class AnswerClaims:
    """A question and an answer as a claim: the right answer, or a wrong one of the same kind."""

    def __init__(self, material: Material) -> None:
        self._material = material
        self._by_source: dict[str, list[Question]] = defaultdict(list)
        self._by_passage: dict[int, list[Question]] = defaultdict(list)
        for question in material.questions:
            if question.source in _QUESTION_WEIGHTS and question.answers:
                self._by_source[question.source].append(question)
                self._by_passage[question.positive].append(question)

    def make(self, chance: random.Random) -> Example | None:
        """One example of a drawn kind; questions are drawn until one suits it."""
        kind = chance.choices(list(_ANSWER_KINDS), list(_ANSWER_KINDS.values()))[0]
        sources = sorted(self._by_source)
        source = chance.choices(sources, [_QUESTION_WEIGHTS[name] for name in sources])[0]
        for _ in range(30):
            made = self._made(kind, chance.choice(self._by_source[source]), chance)
            if made is not None:
                return made
        return None

    def _made(self, kind: str, question: Question, chance: random.Random) -> Example | None:
        answer = chance.choice(question.answers)
        if kind == "right":
            return self._against(question, question.positive, answer, SUPPORTED, answer, chance)
        if kind == "wrong_here":
            return self._wrong(question, question.positive, answer, chance)
        near = [*question.near_misses, *question.near_misses, *question.negatives]
        others = [index for index in near if index in self._material.allowed]
        if not others:
            return None
        there = chance.choice(others)
        if kind == "right_there":
            return self._against(question, there, answer, NOT_SUPPORTED, None, chance)
        return self._wrong(question, there, answer, chance)

    def _wrong(self, question: Question, index: int, answer: str, chance: random.Random) -> Example | None:
        """A wrong answer of the right kind: what the passage says otherwise it contradicts."""
        here = index == question.positive
        text = self._text(index)
        kind = answer_kind(answer)
        candidates = _of_kind(text, kind) if kind != "phrase" else []
        if kind == "phrase" or chance.random() < 0.3:
            asked = question.text.split()[0].casefold()
            candidates = candidates + [
                other.answers[0]
                for other in self._by_passage[index]
                if other.text.split()[0].casefold() == asked and answer_kind(other.answers[0]) == kind
            ]
        wrong = [text for text in candidates if _differs(text, question)]
        if not wrong:
            return None
        chosen = chance.choice(wrong)
        needed = answer if here else chosen
        label = CONTRADICTED if here and kind != "phrase" else NOT_SUPPORTED
        return self._against(question, index, chosen, label, needed, chance)

    def _against(
        self,
        question: Question,
        index: int,
        answer: str,
        label: int,
        needed: str | None,
        chance: random.Random,
    ) -> Example | None:
        """The claim against a window of the passage that holds the text `needed`."""
        parts = edits.sentences(self._text(index))
        holding = _best_sentence(parts, needed, question.text) if needed else ()
        longest = chance.choice(WINDOW_WORDS)
        if holding is None:  # a free answer: nothing tells where its evidence stands
            if label != SUPPORTED or sum(len(part.split()) for part in parts) > WINDOW_WORDS[-1]:
                return None
            holding, longest = tuple(range(len(parts))), WINDOW_WORDS[-1]
        if not parts:
            return None
        first, last = window(parts, holding, longest, chance)
        said = _said(question.text, answer, chance)
        lacks = () if label == SUPPORTED else ((said.start, said.end),)
        return Example(said.text, " ".join(parts[first:last]), label, "answers", lacks)

    def _text(self, index: int) -> str:
        return self._material.corpus.passages[index].text


def _said(question: str, answer: str, chance: random.Random) -> Statement:
    """Half the claims in the product's form, half as a statement where a rule makes one."""
    statement = declarative(question, answer) if chance.random() < 0.6 else None
    if statement is not None:
        return statement
    asked = question if question.endswith("?") or chance.random() < 0.5 else question + "?"
    return plain(asked, answer)


def answer_kind(answer: str) -> str:
    """number, date, year, name or phrase: what a wrong answer has to be to look right."""
    if edits.numbers(answer) and len(answer.split()) <= 5:
        return "number"
    words = answer.split()
    capitals = sum(word[:1].isupper() for word in words)
    return "name" if capitals * 2 >= len(words) and len(words) <= 6 else "phrase"


def _of_kind(text: str, kind: str) -> list[str]:
    spans = edits.numbers(text) if kind == "number" else edits.names(text)
    return list(dict.fromkeys(text[start:end] for start, end in spans))


def _differs(candidate: str, question: Question) -> bool:
    """Not a part of the question or of a right answer, nor one of them a part of it; numbers of one kind."""
    folded = candidate.casefold()
    words = set(_WORD.findall(folded))
    if words <= set(_WORD.findall(question.text.casefold())):
        return False
    for answer in question.answers:
        said = answer.casefold()
        if (
            folded in said
            or said in folded
            or words & set(_WORD.findall(said)) - {"the", "of", "a", "and", "in"}
        ):
            return False
    first = edits.numbers(question.answers[0])
    if first and edits.numbers(candidate):
        return edits.same_kind(candidate, question.answers[0][slice(*first[0])])
    return True


def _best_sentence(parts: Sequence[str], needed: str, question: str) -> tuple[int, ...] | None:
    """The sentence that holds `needed` and most of the question's words; None where none holds it."""
    asked = set(_WORD.findall(question.casefold()))
    holding = [at for at, part in enumerate(parts) if needed.rstrip(".") in part]
    if not holding:
        return None
    return (max(holding, key=lambda at: len(asked & set(_WORD.findall(parts[at].casefold())))),)
