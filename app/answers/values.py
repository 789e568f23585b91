"""Numbers, times, dates and names that a sentence states, so that two sentences can be compared. Pure.

Month names and spelt numbers are English; digits, times and numeric dates are read in any language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from app.answers.numbers import plain_number
from app.answers.words import STOP_WORDS, WORD

ValueKind = Literal["number", "time", "date", "name"]

_MONTH_NAMES = """
    january february march april may june july august september october november december
"""
_MONTHS = _MONTH_NAMES.split()
_MONTH = "|".join((*_MONTHS, *(month[:3] for month in _MONTHS if month != "may")))
_DATE = re.compile(
    rf"\b(?:(?P<d1>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?)?(?P<m1>{_MONTH})\b\.?"
    r"(?:\s+(?P<d2>\d{1,2})(?:st|nd|rd|th)?\b(?![:.]\d))?(?:,?\s+(?P<y1>\d{4})\b)?"
    r"|\b(?P<y2>\d{4})-(?P<m2>\d{2})-(?P<d3>\d{2})\b|\b(?P<d4>\d{1,2})\.(?P<m3>\d{1,2})\.(?P<y3>\d{4})\b",
    re.IGNORECASE,
)
_TIME = re.compile(r"\b(\d{1,2}):(\d{2})\b")
_YEAR = re.compile(
    r"(?:\b(?P<at>in|since|until|by|from|of|to|before|after|year)\s+)(1\d{3}|20\d{2})\b(?![.,]\d)"
    r"|^\W*(1\d{3}|20\d{2})\W*$",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"(?P<sign>[€$£])?\b(?P<n>\d+(?:[.,]\d+)*)(?:st|nd|rd|th)?(?!\w)\s*(?P<unit>%|[€$£°]|[^\W\d_]+)?"
)
_CARDINALS = "two three four five six seven eight nine ten eleven twelve"
_SPELT = {word: str(number) for number, word in enumerate(_CARDINALS.split(), start=2)}
_SPELT_WORD = re.compile(rf"\b(?:{'|'.join(_SPELT)})\b", re.IGNORECASE)
_CAPITALS = re.compile(r"\b[^\W\d_a-zà-öø-ÿ][\w'’-]*(?:\s+[^\W\d_a-zà-öø-ÿ][\w'’-]*)*")
_ENDINGS = ("ing", "ed", "es", "s", "e")
_SHORTEST_STEM = 3


@dataclass(frozen=True, slots=True)
class Value:
    """A stated value; two values of the same kind and unit can be compared."""

    kind: ValueKind
    unit: str  # of a number: the stem of the word behind it, or a sign
    text: str  # in one spelling
    fields: tuple[int | None, int | None, int | None] = (None, None, None)  # of a date: year, month, day

    def same(self, other: Value) -> bool:
        """Whether both can be meant alike: a date may be less exact, a name shorter."""
        if self.kind == "date":
            both = zip(self.fields, other.fields, strict=True)
            return all(mine is None or its is None or mine == its for mine, its in both)
        if self.kind == "name":
            mine, its = set(self.text.split()), set(other.text.split())
            return mine <= its or its <= mine
        return self.text == other.text


def values_of(text: str) -> list[Value]:
    """Every value that is stated; a character belongs to one at most."""
    found: list[Value] = []
    rest = text
    for pattern, value in ((_DATE, _date), (_TIME, _time), (_YEAR, _year)):
        found += [made for match in pattern.finditer(rest) if (made := value(match)) is not None]
        rest = pattern.sub(lambda match, value=value: match.group() if value(match) is None else " , ", rest)  # type: ignore[misc]
    spelt = _SPELT_WORD.sub(lambda match: _SPELT[match.group().casefold()], rest)
    found += [_number(match) for match in _NUMBER.finditer(spelt)]
    return [*found, *_names(rest)]


def topic(text: str) -> set[str]:
    """Stems of the content words: what a text is about, without its numbers and months."""
    words = [word for word in WORD.findall(_DATE.sub(" ", text)) if not word[0].isdigit()]
    return {
        stem(word) for word in words if word.casefold() not in STOP_WORDS and word.casefold() not in _SPELT
    }


def stem(word: str) -> str:
    """A word without case and its commonest English endings."""
    folded = word.casefold()
    for ending in _ENDINGS:
        if folded.endswith(ending) and len(folded) - len(ending) >= _SHORTEST_STEM:
            return folded[: -len(ending)]
    return folded


def _date(match: re.Match[str]) -> Value | None:
    got = match.groupdict()
    if got["m1"] == "may" and match.group().strip() == "may":
        return None  # the verb
    year = got["y1"] or got["y2"] or got["y3"]
    day = got["d1"] or got["d2"] or got["d3"] or got["d4"]
    month = got["m2"] or got["m3"]
    number = int(month) if month else _month_number(got["m1"])
    return Value("date", "", match.group(), (int(year) if year else None, number, int(day) if day else None))


def _month_number(name: str) -> int:
    return next(at for at, month in enumerate(_MONTHS, start=1) if month.startswith(name.casefold()))


def _time(match: re.Match[str]) -> Value:
    return Value("time", "", f"{int(match[1])}:{match[2]}")


def _year(match: re.Match[str]) -> Value:
    year = match[2] or match[3]
    return Value("date", "", year, (int(year), None, None))


def _number(match: re.Match[str]) -> Value:
    unit = match["unit"] or match["sign"] or ""
    return Value("number", "" if unit.casefold() in STOP_WORDS else stem(unit), plain_number(match["n"]))


def _names(text: str) -> list[Value]:
    """Runs of capitalised words; a lone one that opens a longer sentence may be no name: it is left out."""
    values = []
    for match in _CAPITALS.finditer(text):
        words = match.group().split()
        opens = not text[: match.start()].rstrip() or text[: match.start()].rstrip()[-1] in ".!?"
        alone = match.group() == text.strip().rstrip(".")
        if opens and not alone and (len(words) == 1 or words[0].casefold() in STOP_WORDS):
            words = words[1:]
        kept = [word.casefold() for word in words if word.casefold() not in STOP_WORDS]
        if kept:
            values.append(Value("name", "", " ".join(kept)))
    return values
