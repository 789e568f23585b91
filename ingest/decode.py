"""Bytes to text: byte order mark, strict UTF-8, declared charset, UTF-16 by its zeros, then statistics."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ingest.failures import ParseFailure

if TYPE_CHECKING:
    from charset_normalizer import CharsetMatch, CharsetMatches

_BYTE_ORDER_MARKS: Final = (  # UTF-32 first: its mark starts with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"""<(?:meta|\?xml)[^>]{0,300}?(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]+)""", re.I)
_BINARY_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_SAMPLE_BYTES: Final = 64 * 1024
_MAX_CONTROL_SHARE: Final = 0.02
_LATIN_FALLBACK: Final = "cp1252"
_RARE_ENCODINGS: Final = [  # read almost any Western text "well" and win by chance
    *("cp037", "cp273", "cp424", "cp437", "cp500", "cp775", "cp850", "cp852", "cp855", "cp857", "cp858"),
    *("cp860", "cp861", "cp862", "cp863", "cp864", "cp865", "cp869", "cp1026", "cp1140", "hp_roman8"),
    *("iso8859_3", "iso8859_4", "iso8859_10", "iso8859_13", "iso8859_14", "iso8859_16"),
    *("mac_cyrillic", "mac_greek", "mac_iceland", "mac_latin2", "mac_roman", "mac_turkish"),
]


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text and how it was read."""

    text: str
    encoding: str
    warnings: tuple[str, ...] = ()


def decode(data: bytes) -> Decoded:
    """`data` as text without its byte order mark.

    Raises ParseFailure `file_unknown_type` for binary data and `encoding_unknown` for undecodable text.
    """
    decoded = _by_mark(data) or _attempt(data, "utf-8") or _by_declaration(data) or _by_utf16_zeros(data)
    if decoded is None:
        _refuse_binary(data)
        decoded = _mixed_lines(data) or _by_statistics(data)
    return decoded


def _by_mark(data: bytes) -> Decoded | None:
    for mark, encoding in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            text = data[len(mark) :].decode(encoding, errors="replace")
            return Decoded(text, encoding, _replaced(text))
    return None


def _attempt(data: bytes, encoding: str) -> Decoded | None:
    try:
        return Decoded(data.decode(encoding), encoding)
    except (UnicodeDecodeError, LookupError):  # not this one, or a name nobody knows
        return None


def _by_declaration(data: bytes) -> Decoded | None:
    declared = _DECLARED.search(data[:4096])
    return _attempt(data, declared[1].decode("ascii")) if declared else None


def _by_utf16_zeros(data: bytes) -> Decoded | None:
    """UTF-16 without a mark: mostly Latin text leaves zeros on one side of each byte pair."""
    sample = data[:_SAMPLE_BYTES]
    half = max(len(sample) // 2, 1)
    even, odd = sample[0::2].count(0) / half, sample[1::2].count(0) / half
    if max(even, odd) < 0.25 or min(even, odd) > 0.05:
        return None
    return _attempt(data[: len(data) // 2 * 2], "utf-16-be" if even > odd else "utf-16-le")


def _refuse_binary(data: bytes) -> None:
    sample = data[:_SAMPLE_BYTES]
    if len(_BINARY_CONTROLS.findall(sample)) > _MAX_CONTROL_SHARE * len(sample):
        raise ParseFailure("file_unknown_type", "The bytes are neither a known format nor text.")


def _mixed_lines(data: bytes) -> Decoded | None:
    """UTF-8 lines beside lines in a legacy encoding: each line is read on its own.

    One valid UTF-8 line with non-ASCII characters is proof enough; legacy text almost never forms one.
    """
    lines = [(line, _attempt(line, "utf-8")) for line in data.splitlines(keepends=True)]
    if not any(read and not read.text.isascii() for _, read in lines):
        return None
    bad = [number for number, (_, read) in enumerate(lines, 1) if read is None]
    text = "".join(read.text if read else line.decode(_LATIN_FALLBACK, "replace") for line, read in lines)
    shown = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
    warning = f"Lines {shown} are not UTF-8 like the rest; they were read as {_LATIN_FALLBACK}."
    return Decoded(text, "utf-8", (warning, *_replaced(text)))


def _by_statistics(data: bytes) -> Decoded:
    from charset_normalizer import from_bytes  # takes 60 ms, and few files come this far

    sample = data[:_SAMPLE_BYTES]
    matches = from_bytes(sample, cp_exclusion=_RARE_ENCODINGS)
    best = matches.best()
    if best is None:
        raise ParseFailure("encoding_unknown", "The file is text, but its character encoding is unknown.")
    encoding = _prefer_western(matches, best)
    text = data.decode(encoding, errors="replace")
    return Decoded(text, encoding, (f"The encoding was guessed: {encoding}.", *_replaced(text)))


def _prefer_western(matches: CharsetMatches, best: CharsetMatch) -> str:
    """The best guess, or windows-1252 where that reads the bytes as well: it is far more common."""
    for match in matches:
        if match.encoding == _LATIN_FALLBACK and (match.chaos, -match.coherence) <= (
            best.chaos,
            -best.coherence,
        ):
            return _LATIN_FALLBACK
    return best.encoding


def _replaced(text: str) -> tuple[str, ...]:
    count = text.count("\ufffd")
    return (f"{count} characters could not be decoded.",) if count else ()
