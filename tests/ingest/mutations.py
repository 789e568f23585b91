"""Broken copies of files, the same ones for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final


@dataclass(frozen=True, slots=True)
class Mutant:
    """A broken copy; `label` names the original, what was done to it, and its number."""

    label: str
    file_name: str
    data: bytes


Mutation = Callable[[random.Random, bytes, bytes], bytes]
"""From a source of chance, the file and another file, to the broken file."""

SUFFIXES: Final = (
    *(".pdf", ".docx", ".pptx", ".xlsx", ".odt", ".epub", ".html", ".md", ".csv", ".tsv", ".json"),
    *(".jsonl", ".eml", ".msg", ".zip", ".rtf", ".rst", ".tex", ".adoc", ".txt", ".xml", ".doc", ""),
)


def mutants(paths: Sequence[Path], count: int, seed: int) -> Iterator[Mutant]:
    """`count` broken copies, taken from `paths` and from the mutations in turn."""
    names = list(MUTATIONS)
    for number in range(count):
        chance = random.Random(f"{seed}/{number}")
        path, other = paths[number % len(paths)], chance.choice(paths)
        name = names[number // len(paths) % len(names)] if len(paths) > 1 else names[number % len(names)]
        data = MUTATIONS[name](chance, path.read_bytes(), other.read_bytes())
        file_name = path.name
        if name == "swapped_suffix":
            file_name = PurePath(path.name).stem + chance.choice(SUFFIXES)
        yield Mutant(f"{number}: {path.name}, {name}", file_name, data)


def _bit_flips(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(min(len(changed), chance.choice((1, 8, 64, 512)))):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _truncated(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _without_start(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    return data[chance.randrange(min(len(data), 4096) + 1) :]


def _spliced(chance: random.Random, data: bytes, other: bytes) -> bytes:
    """The start of one file and the end of another."""
    return data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other) + 1) :]


def _zero_block(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    size = min(len(data), chance.choice((16, 512, 4096, 65_536)))
    start = chance.randrange(len(data) - size + 1)
    return data[:start] + bytes(size) + data[start + size :]


def _doubled_block(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    size = min(len(data), chance.choice((16, 512, 4096, 65_536)))
    start = chance.randrange(len(data) - size + 1)
    return data[: start + size] + data[start:]


def _random_block(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    size = min(len(data), chance.choice((16, 512, 4096)))
    start = chance.randrange(len(data) - size + 1)
    return data[:start] + chance.randbytes(size) + data[start + size :]


def _numbers_changed(chance: random.Random, data: bytes, _other: bytes) -> bytes:
    """Digits replaced by nines: sizes, counts and offsets in text-like formats become huge."""
    changed = bytearray(data)
    digits = [place for place, byte in enumerate(changed[:200_000]) if 0x30 <= byte <= 0x39]
    for place in chance.sample(digits, min(len(digits), 40)):
        changed[place] = 0x39
    return bytes(changed)


def _unchanged(_chance: random.Random, data: bytes, _other: bytes) -> bytes:
    return data


MUTATIONS: Final[dict[str, Mutation]] = {
    "bit_flips": _bit_flips,
    "truncated": _truncated,
    "spliced": _spliced,
    "swapped_suffix": _unchanged,
    "zero_block": _zero_block,
    "without_start": _without_start,
    "doubled_block": _doubled_block,
    "random_block": _random_block,
    "numbers_changed": _numbers_changed,
}
