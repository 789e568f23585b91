"""Quoted spans of an answer, and word-for-word search that forgives typography. Pure.

Letter case, whitespace, hyphenation at line ends, ligatures and the shape of dashes and quotation marks do
not count; every word does, in order.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_QUOTED = re.compile(
    r"(?<!\w)\"(?=\S)([^\"]+?)\"(?!\w)"
    r"|“([^“”]+)”|„([^„“”]+)[“”]|(?<!\w)”([^”]+)”"
    r"|«([^«»]+)»|»([^«»]+)«|‹([^‹›]+)›|›([^‹›]+)‹"
    r"|「([^「」]+)」|『([^『』]+)』"
    r"|‚([^‚‘’]+)[‘’](?!\w)|(?<!\w)‘([^‘]+?)’(?!\w)"
)
_ELLIPSIS = re.compile(r"[\[(]\s*(?:\.{3}|…)\s*[\])]|\.{3,}|…+")
_EDGE = " \t\n.,;:!?-–—、。，；：！？\"'"
_LINE_HYPHEN = re.compile(r"(?<=[^\W\d_])[-‐\u00ad]\s*\n\s*(?=[^\W\d_])")
_NO_SPACES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_UNSPACED = re.compile(f"[{_NO_SPACES}]")
_UNIT = re.compile(f"[{_NO_SPACES}]|[^\\W{_NO_SPACES}]+")
_JOINT = "\u00ad"  # where a hyphen ended a line: a hyphen, or nothing
_FOLDED = {**dict.fromkeys("‐‑‒–—―−", "-"), **dict.fromkeys("“”„«»‹›", '"'), **dict.fromkeys("‘’‚", "'")}


@dataclass(frozen=True, slots=True)
class Quote:
    """A quoted span: answer[start:end] == text, the quotation marks left out."""

    text: str
    start: int
    end: int

    @property
    def parts(self) -> list[str]:
        """What must stand word for word: the text, split where an ellipsis leaves something out."""
        parts = (part.strip(_EDGE) for part in _ELLIPSIS.split(self.text))
        return [part for part in parts if _UNIT.search(part)]


def find_quotes(answer: str) -> Iterator[Quote]:
    """Spans in straight, curly, German, French, Swedish or CJK quotation marks that hold a word."""
    for match in _QUOTED.finditer(answer):
        group = match.lastindex or 0
        if _UNIT.search(match.group(group)):
            yield Quote(match.group(group), *match.span(group))


class Searchable:
    """A text in which spans are looked for."""

    def __init__(self, text: str) -> None:
        self._text, self._origins = _normalised(text)

    def find(self, words: str, after: int = 0) -> tuple[int, int] | None:
        """Where the words stand, as characters of the original text, from `after` on; None: nowhere."""
        for match in _pattern(words).finditer(self._text):
            start, end = self._origins[match.start()], self._origins[match.end() - 1] + 1
            if start >= after:
                return start, end
        return None

    def find_all(self, parts: list[str]) -> list[tuple[int, int]] | None:
        """Every part in its order, none over another; None where one is missing."""
        places: list[tuple[int, int]] = []
        for part in parts:
            place = self.find(part, places[-1][1] if places else 0)
            if place is None:
                return None
            places.append(place)
        return places


def units(text: str) -> list[tuple[int, int]]:
    """Spans of its words; in scripts without spaces of its characters."""
    return [match.span() for match in _UNIT.finditer(text)]


def _normalised(text: str) -> tuple[str, list[int]]:
    """The text in one typography, and for each of its characters the original's index."""
    joints = {index for match in _LINE_HYPHEN.finditer(text) for index in range(*match.span())}
    characters: list[str] = []
    origins: list[int] = []
    for index, character in enumerate(text):
        if index in joints:
            new = "" if characters[-1] == _JOINT else _JOINT
        elif character.isspace():
            new = "" if characters and characters[-1] == " " else " "
        elif character == _JOINT:
            new = ""
        else:
            new = _folded(character)
        characters.extend(new)
        origins.extend([index] * len(new))
    return "".join(characters), origins


def _folded(character: str) -> str:
    plain = _FOLDED.get(character, character)
    return unicodedata.normalize("NFKD", plain).casefold()


def _pattern(words: str) -> re.Pattern[str]:
    """Finds normalised words in a normalised text, at the bounds of words."""
    text = _normalised(words.strip())[0]
    pieces = [_boundary(text[0], "(?<!\\w)")]
    for index, character in enumerate(text):
        pieces.append(f"[-{_JOINT}]" if character == "-" else re.escape(character))
        following = text[index + 1 : index + 2]
        if character.isalpha() and following.isalpha():
            unspaced = _UNSPACED.match(character) and _UNSPACED.match(following)
            pieces.append(" ?" if unspaced else f"{_JOINT}?")
    pieces.append(_boundary(text[-1], "(?![\\w\u0300-\u036f])"))
    return re.compile("".join(pieces))


def _boundary(character: str, look: str) -> str:
    return look if character.isalnum() and not _UNSPACED.match(character) else ""
