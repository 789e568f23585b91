"""Where sentences begin and end, in any language. Pure."""

from __future__ import annotations

import re

from app.answers.words import STOP_WORDS, WORD

# A line end alone is a wrapped line of a page; it ends a sentence only before a table row or a list item.
_END = re.compile(
    r"(?<=[.!?。！？])(?:[\"'”’)\]]*)(?:\s*\[\d+\])*\s+(?=\S)(?!\[\d+\])"
    r"|\n\s*\n|\n(?=[^\n]* \| )|\n(?=\s*(?:[-*•–]|\d+[.)])\s)"
)
_LONGEST = 8  # letters of an abbreviation, with its dots
_SHORTENED = re.compile(
    r"(?<!\w)(?:[^\W\d_]|Mr|Mrs|Ms|Dr|Drs|Prof|St|Ste|Mt|Ft|Jr|Sr|Gen|Col|Capt|Lt|Sgt|Rev|Hon|Sen|Rep|Gov|Pres"
    r"|ed|eds|al|vs|cf|ca|approx|viz|resp|incl|excl|etc|bzw|usw|Inc|Ltd|Co|Corp|Bros|Dept|Univ|Ave|Blvd"
    r"|Mme|Mlle|Sra|Srta|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\.$"
)
_NUMBERED = re.compile(r"(?<!\w)(?:[Nn]os?|Nr|[Ff]igs?|Eq|[Aa]rts?|[Vv]ol|Sec|Ch|pp?|Stat|Op)\.$")


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Character spans of sentences; trailing citation markers belong to their sentence.

    "George B. McClellan", "Dr. Orlo", "10 Stat. 277" and "e.g. boats" are within one. After an abbreviation a
    new one begins only with a word that sentences begin with, such as "The": "Pier C. Boats wait." stays one.
    """
    spans = []
    start = 0
    for match in _END.finditer(text):
        if not _is_within(text, match):
            spans.append((start, match.end()))
            start = match.end()
    spans.append((start, len(text)))
    return [trimmed for span in spans if (trimmed := _trim(text, *span)) is not None]


def _is_within(text: str, match: re.Match[str]) -> bool:
    """Whether a full stop stands within a sentence: behind an abbreviation, or before a small letter."""
    before, between = text[max(0, match.start() - _LONGEST) : match.start()], match[0]
    following = WORD.match(text, match.end())
    if not before.endswith(".") or between.strip() or between.count("\n") > 1 or following is None:
        return False
    first = following[0][0]
    if _NUMBERED.search(before):
        return first.isdigit()
    if first.isupper() and following[0].casefold() in STOP_WORDS:
        return False
    return first.islower() or _SHORTENED.search(before) is not None


def _trim(text: str, start: int, end: int) -> tuple[int, int] | None:
    inner = text[start:end]
    left = start + len(inner) - len(inner.lstrip())
    right = start + len(inner.rstrip())
    return (left, right) if left < right else None
