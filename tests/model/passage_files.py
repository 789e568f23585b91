"""Passages to put on disk; apart from the tests, so that a child process loads no more than this."""

from __future__ import annotations

from pathlib import Path

import torch

from model.passage_disk import PassageDisk, PassageFolder
from model.stored_passage import StoredPassage

CPU = torch.device("cpu")
ROOMY = 10**6


def passage(tokens: int = 4, value: float = 1.0, dtype: torch.dtype = torch.bfloat16) -> StoredPassage:
    source = torch.Generator().manual_seed(int(value))
    keys, values = (torch.randn((2, tokens, 1, 8), generator=source).to(dtype) for _ in "kv")
    return StoredPassage(keys, values)


def disk(folder: Path, budget_bytes: int = ROOMY, identity: str = "decoder@1 bfloat16") -> PassageDisk:
    return PassageDisk(PassageFolder(folder, budget_bytes), identity=identity, device=CPU)


def write_and_read(folder: Path, seed: int) -> tuple[int, int]:
    """Wrong passages found, and passages found at all, by one of several processes."""
    store = disk(folder, 8 * 1024)
    wrong = found = 0
    for turn in range(150):
        number = (turn * seed) % 11
        stored = store.get([number])
        if stored is None:
            store.put([number], passage(1, number))
            continue
        found += 1
        wrong += not torch.equal(stored.keys, passage(1, number).keys)
    return wrong + store.damaged + store.unwritten, found
