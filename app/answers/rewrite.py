"""Turns a follow-up into a standalone question, so that search sees what the person means.

A question that names its subject is left alone. One that is only a fragment is completed by rule, and so
is "she" after "Who is the director?". Otherwise the decoder is asked to rewrite it. A rewrite that brings in
words which are neither in the question nor in the history is not trusted, nor one that breaks a name or
loses what the question before asked for; the last question's subject words are put in front instead. The
result is always shown, and can be edited.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.answers.antecedent import with_person
from app.answers.ellipsis import completed
from app.answers.words import WORD, content_words
from app.services import GenerateOptions, TextGenerator

_FLAGS = re.IGNORECASE | re.VERBOSE
PERSONAL = r"it|its|they|them|their|theirs|he|she|him|her|his|hers"
REFERS_BACK = re.compile(
    rf"""\b(?:{PERSONAL}|this|that|these|those|same|former|latter|else|instead|ones
         |(?<!is\s)(?<!are\s)(?<!was\s)(?<!were\s)there(?!\s+(?:is|are|was|were|any|a|an)\b))\b""",
    _FLAGS,
)
_AUXILIARIES = frozenset(
    (
        *("is", "are", "was", "were", "do", "does", "did", "can", "could", "will", "would"),
        *("has", "have", "had", "if", "may", "must", "should"),
    )
)
# What these words mean stands in the question: "the nation that joined", "the firm raise its fares".
_RELATIVE = re.compile(
    rf"""\b(?!(?:{"|".join(_AUXILIARIES)}|of|with|by|for|to|in|on|at|like)\b)\w+\s+that\s+\w
         |\b(?:those|that)\s+(?:who|which)\b | \bit\s+(?:true|possible|correct)\b""",
    _FLAGS,
)
_ANTECEDENT = re.compile(rf"\b(?:[Tt]he|[Aa]n?|[Ee]very|[Ee]ach)\s+\w.*\b(?:{PERSONAL})\b", re.VERBOSE)
_NAME_BEFORE = re.compile(rf"\S\s+[A-Z]\w+.*\b(?:{PERSONAL})\b", re.VERBOSE)
OPENS_LIKE_FOLLOW_UP = re.compile(
    r"""^\s*(?:and|but|so|also|or|what\s+about|how\s+about|how\s+so|since\s+when)\b
        | ^\s*why\s*(?:not)?\s*\?*$""",
    _FLAGS,
)
NAME = re.compile(r"(?<=\s)(?:[A-Z][\w'’-]*|\d+)(?:\s+(?:[A-Z][\w'’-]*|\d+))*")
_NAMED_NOUN = re.compile(r"\bthe\s+([A-Z][\w'’-]*)\s+([a-z]+)")  # the Anseld strike, the Lisker choir
_ASKED_FOR = re.compile(r"^\s*(?:which|what|how\s+many)\s+(\w+)\s+(?!of\b)\w+", _FLAGS)
SHORT_WORDS = 3
EARLIER_SHOWN = 1  # questions before it, as many as the answerer was trained with


def is_follow_up(question: str) -> bool:
    """Whether the question leans on what was said before."""
    if OPENS_LIKE_FOLLOW_UP.search(question):
        return True
    if REFERS_BACK.search(question):
        return not any(inside.search(question) for inside in (_RELATIVE, _ANTECEDENT, _NAME_BEFORE))
    return len(content_words(question)) < SHORT_WORDS and not NAME.search(question)


def standalone_question(question: str, history: Sequence[str], generator: TextGenerator) -> str:
    """The question as it would be asked without the history (earlier questions, oldest first)."""
    if not history or not is_follow_up(question):
        return question
    earlier = list(history[-EARLIER_SHOWN:])
    fragment = completed(question, earlier[-1])
    if fragment is not None:
        return fragment
    person = with_person(question, earlier[-1])
    if person is not None:
        return person
    segments = tuple(generator.template.rewrite_segments(earlier, question))
    pieces = generator.generate(segments, GenerateOptions(max_new_tokens=48, stop=("\n",)), _never)
    rewritten = "".join(pieces).strip()
    trusted = _trusted(rewritten, question, earlier) and _keeps_subject(rewritten, question, earlier[-1])
    return rewritten if trusted else _with_subject(earlier[-1], question)


def _trusted(rewritten: str, question: str, earlier: Sequence[str]) -> bool:
    """Only words of these questions, and at least one brought in from an earlier one."""
    known = {word.casefold() for word in WORD.findall(" ".join((question, *earlier)))}
    new = set(content_words(rewritten))
    kept = {word for word in content_words(question) if not REFERS_BACK.fullmatch(word)}
    return bool(new - set(content_words(question))) and new <= known and kept - {"about"} <= new


def _keeps_subject(rewritten: str, question: str, previous: str) -> bool:
    """No name of the question before is broken or said twice, and what it asked for is not lost."""
    new_words = set(content_words(rewritten)) - set(content_words(question))
    for name in (match[0] for match in NAME.finditer(previous)):
        parts = set(content_words(name))
        if (parts & new_words and not parts <= set(content_words(rewritten))) or rewritten.count(name) > 1:
            return False
    for name, noun in _NAMED_NOUN.findall(previous):
        if name.casefold() in new_words and noun not in content_words(rewritten):
            return False
    asked_for = _ASKED_FOR.match(previous)
    noun = asked_for[1].casefold() if asked_for else ""
    return not noun or noun in _AUXILIARIES or noun in content_words(rewritten)


def _with_subject(previous: str, question: str) -> str:
    asked = set(content_words(question))
    subject = [
        word for word in WORD.findall(previous) if word.casefold() in set(content_words(previous)) - asked
    ]
    return f"{' '.join(subject)}: {question}" if subject else question


def _never() -> bool:
    return False
