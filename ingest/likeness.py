"""How alike two texts are, from a sketch of fixed size of each: MinHash over runs of words (Broder 1997).

The share of equal numbers in two sketches estimates the share of word runs that the texts have in common.
Bands of a sketch find candidates in an index without comparing all with all (locality-sensitive hashing).
"""

from __future__ import annotations

import hashlib
import re
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

Sketch = NDArray[np.uint32]
"""[SKETCH_SIZE]"""

SKETCH_SIZE: Final = 128  # standard error of an estimate near 0.9: 0.027
BANDS: Final = 16  # of 8 numbers: texts alike by 0.85 share a band in 99 of 100 cases
ALIKE: Final = 0.85  # from here on a text counts as nearly the same
MAX_CHARS: Final = 4_000_000  # what follows is not compared
_RUN_WORDS: Final = 3
_RUNS_AT_ONCE: Final = 1024  # a table of 1 MB

_IDEOGRAPHS: Final = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"  # written without spaces: each is a word
_WORD: Final = re.compile(f"[{_IDEOGRAPHS}]|[^\\W{_IDEOGRAPHS}]+")
_RANDOM: Final = np.random.default_rng(20_261_126)  # stored sketches depend on it
_FACTORS: Final = _RANDOM.integers(1, 2**63, SKETCH_SIZE, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
_TERMS: Final = _RANDOM.integers(0, 2**63, SKETCH_SIZE, dtype=np.uint64)
_MIXER: Final = np.uint64(0x9E3779B97F4A7C15)
_HIGH_HALF: Final = np.uint64(32)


def sketch(text: str) -> Sketch | None:
    """The sketch of `text`, blind to case, signs and white space; None where it has no word."""
    words = _WORD.findall(text[:MAX_CHARS].lower())
    if not words:
        return None
    numbers = np.fromiter((zlib.crc32(word.encode()) for word in words), np.uint64, len(words))
    runs = np.unique(_runs(numbers))
    smallest = np.full(SKETCH_SIZE, 2**32 - 1, np.uint64)
    for start in range(0, len(runs), _RUNS_AT_ONCE):
        some = runs[start : start + _RUNS_AT_ONCE, None]  # [runs, 1]
        np.minimum(smallest, ((some * _FACTORS + _TERMS) >> _HIGH_HALF).min(axis=0), out=smallest)
    return smallest.astype(np.uint32)


def bands(of: Sketch) -> list[int]:
    """A number below 2**56 for each band: texts with an equal one are candidates."""
    rows = of.astype("<u4").reshape(BANDS, -1)
    digests = (
        hashlib.blake2b(row.tobytes(), digest_size=7, salt=bytes([band])).digest()
        for band, row in enumerate(rows)
    )
    return [int.from_bytes(digest, "big") for digest in digests]


def likeness(one: Sketch, other: Sketch) -> float:
    """The estimated share of word runs in common, 0 to 1."""
    return float(np.mean(one == other))


def _runs(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A number for each run of words in a row; a text of fewer is one run."""
    size = min(_RUN_WORDS, len(words))
    runs = np.zeros(len(words) - size + 1, np.uint64)
    for offset in range(size):
        runs = runs * _MIXER + words[offset : offset + len(runs)]
    return runs
