"""Small edits of true sentences: some keep them true, most make them false, each knows what it changed.

Swapped numbers and names, negation and antonyms are the classic ways to make a claim that its own source
contradicts (FEVER, Thorne et al., 2018; FactCC, Kryscinski et al., 2020). Rules err: callers cap their share.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

_END = re.compile(r"(?<=[.!?])[\"”’)\]]*\s+(?=[\"“‘(\[]?[A-Z0-9])|\n+")
_ABBREVIATION = re.compile(
    r"\b(?:[A-Z]|Mr|Mrs|Ms|Dr|St|Jr|Sr|vs|No|Vol|Fig|al|etc|e\.g|i\.e|approx|ca|Inc|Co)\.$"
)
_NUMBER = re.compile(r"(?<![\w.,])\d+(?:[.,]\d+)*(?![\w])")
_MONTH = "January|February|March|April|May|June|July|August|September|October|November|December"
_DATE = re.compile(
    rf"(?:{_MONTH}) \d{{1,2}}(?:, \d{{4}})?|\d{{1,2}} (?:{_MONTH})(?: \d{{4}})?|\b(?:1\d|20)\d\d\b"
)
_NAME = re.compile(r"\b[A-Z][\w’'-]*[a-z][\w’'-]*(?: (?:of |the |de |van )?[A-Z][\w’'.-]+)*")
_NOT_NAMES_TEXT = """
    a all also although an and another as at both but by during each for from he her his however i
    if in it its many most no not of on one or other our she since so some such that the their then
    there these they this those thus to under we what when where which while who why with you
"""
_NOT_NAMES = frozenset(_NOT_NAMES_TEXT.split())
_DENIABLE = re.compile(
    r"\b(?:is|are|was|were|can|could|will|would|should|may|might|must)\b(?! not\b|n't)", re.IGNORECASE
)
_DENIAL = re.compile(
    r"\b(?:is|are|was|were|do|does|did|can|could|will|would|should|has|have|had)( not|n['’]t)\b"
)
_PAIRS = """
    increase decrease, increases decreases, increased decreased, increasing decreasing, increase
    reduce, higher lower, high low, more fewer, more less, most least, larger smaller, large small,
    greater lower, before after, earlier later, first last, early late, above below, over under,
    north south, east west, northern southern, eastern western, positive negative, positively
    negatively, improves worsens, improved worsened, improve impair, promotes inhibits, promote
    inhibit, promoted inhibited, activates suppresses, activation inhibition, up-regulated
    down-regulated, upregulated downregulated, gain loss, gained lost, better worse, best worst,
    young old, younger older, longer shorter, long short, male female, men women, boy girl, boys
    girls, mother father, son daughter, brother sister, husband wife, king queen, always never, rich
    poor, strong weak, stronger weaker, faster slower, hot cold, won lost, success failure,
    effective ineffective, safe unsafe, common rare, rarely often, majority minority, maximum
    minimum, acute chronic, beginning end, began ended, left right, open closed, sufficient
    insufficient, necessary unnecessary, likely unlikely, susceptible resistant, same different
"""
_OPPOSITES: dict[str, list[str]] = {}
for _pair in _PAIRS.split(","):
    _one, _other = _pair.split()
    _OPPOSITES.setdefault(_one, []).append(_other)
    _OPPOSITES.setdefault(_other, []).append(_one)

_LESS = (
    re.compile(r"\s*\([^()]*\)"),
    re.compile(r"^(?:In|On|At|During|After|By|However|Moreover|Additionally)\b[^,]{0,40}, "),
    re.compile(r", (?:which|who|where|although|though|while|including|such as)\b[^,]*(?=\.?$)"),
)


@dataclass(frozen=True, slots=True)
class Edit:
    """An edited sentence; `changed` are the character spans that its source does not support."""

    text: str
    changed: tuple[tuple[int, int], ...] = ()


def sentences(text: str) -> list[str]:
    """The sentences of a passage: good enough for making examples."""
    parts: list[str] = []
    for piece in _END.split(text):
        if parts and _ABBREVIATION.search(parts[-1]):
            parts[-1] += " " + piece
        elif piece.strip():
            parts.append(piece.strip())
    return parts


def numbers(text: str) -> list[tuple[int, int]]:
    """Spans of numbers and dates that are no part of a word."""
    dates = [match.span() for match in _DATE.finditer(text)]
    inside = [match.span() for match in _NUMBER.finditer(text)]
    return dates + [span for span in inside if not any(a <= span[0] < b for a, b in dates)]


def names(text: str) -> list[tuple[int, int]]:
    """Spans of capitalised names; a sentence's first word counts only as a part of a longer name."""
    found = []
    for match in _NAME.finditer(text):
        start, end = match.span()
        first = match.group().split()[0]
        starts_sentence = text[:start].rstrip()[-1:] in ("", ".", "!", "?", '"', "“")
        if first.casefold() in _NOT_NAMES:
            start += len(first) + 1
        elif starts_sentence and " " not in match.group():
            continue
        if end - start > 2:
            found.append((start, end))
    return found


def replace(text: str, span: tuple[int, int], new: str) -> Edit:
    """`text` with one span replaced and marked."""
    start, end = span
    return Edit(text[:start] + new + text[end:], ((start, start + len(new)),))


def swap_number(sentence: str, others: Sequence[str], chance: random.Random) -> Edit | None:
    """A number replaced by another of the passage, or by a near one."""
    found = numbers(sentence)
    if not found:
        return None
    span = chance.choice(found)
    old = sentence[slice(*span)]
    near = [new for new in others if new not in sentence and new != old and same_kind(new, old)]
    new = chance.choice(near) if near and chance.random() < 0.6 else _perturbed(old, chance)
    return None if new == old else replace(sentence, span, new)


def same_kind(one: str, other: str) -> bool:
    """Both years, both dates with a month, or both plain numbers."""
    return _number_kind(one) == _number_kind(other)


def _number_kind(text: str) -> str:
    if re.search(_MONTH, text):
        return "date"
    return "year" if re.fullmatch(r"(?:1\d|20)\d\d", text) else "number"


def _perturbed(number: str, chance: random.Random) -> str:
    """One run of digits changed to a plausible neighbour."""
    runs = list(re.finditer(r"\d+", number))
    run = chance.choice(runs)
    old = run.group()
    value = int(old)
    step = max(1, round(value * chance.choice((0.1, 0.25, 0.5)))) if len(old) != 4 else chance.randint(1, 30)
    new = str(max(0, value + chance.choice((-1, 1)) * step)).zfill(len(old) if old.startswith("0") else 1)
    return number[: run.start()] + new + number[run.end() :]


def swap_name(sentence: str, others: Sequence[str], chance: random.Random) -> Edit | None:
    """A name replaced by another one that the sentence does not hold."""
    found = names(sentence)
    folded = sentence.casefold()
    strangers = [name for name in others if name.casefold() not in folded]
    if not found or not strangers:
        return None
    span = chance.choice(found)
    old = set(sentence[slice(*span)].casefold().split())
    strangers = [name for name in strangers if not old & set(name.casefold().split())]
    return replace(sentence, span, chance.choice(strangers)) if strangers else None


def negate(sentence: str, chance: random.Random) -> Edit | None:
    """A denial taken out where there is one, else put in after the first verb that takes it."""
    denial = _DENIAL.search(sentence)
    if denial:
        start, end = denial.span(1)
        return Edit(sentence[:start] + sentence[end:], (denial.span(),)) if chance.random() < 0.8 else None
    verb = _DENIABLE.search(sentence)
    if verb is None:
        return None
    word = "n't" if chance.random() < 0.2 and verb.group() in ("is", "are", "was", "were") else " not"
    return Edit(
        sentence[: verb.end()] + word + sentence[verb.end() :], ((verb.start(), verb.end() + len(word)),)
    )


def oppose(sentence: str, chance: random.Random) -> Edit | None:
    """A word replaced by its opposite."""
    found = [match for match in re.finditer(r"[\w-]+", sentence) if match.group().casefold() in _OPPOSITES]
    if not found:
        return None
    match = chance.choice(found)
    new = chance.choice(_OPPOSITES[match.group().casefold()])
    return replace(sentence, match.span(), new.capitalize() if match.group()[0].isupper() else new)


def shorten(sentence: str, chance: random.Random) -> str:
    """The sentence less a parenthesis, an opening or a closing part: what is left stays true."""
    for pattern in chance.sample(_LESS, len(_LESS)):
        made = pattern.sub("", sentence)
        if made != sentence and len(made.split()) >= 5:
            return made[:1].upper() + made[1:]
    return sentence


def joined(first: str, second: str) -> Edit:
    """Both sentences as one claim, the second marked."""
    start = len(first.rstrip(". ")) + 5
    second = (
        second
        if second[:1].isupper() and second.split()[0].casefold() not in _NOT_NAMES
        else (second[:1].lower() + second[1:])
    )
    text = f"{first.rstrip('. ')} and {second}"
    return Edit(text, ((start, len(text)),))
