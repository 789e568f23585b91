"""Keys and values of passages that were read before, so that no passage is read twice.

Under the block mask a passage sees only itself, so what was computed once holds in every prompt; its keys are
turned to the place where it stands there (Block-Attention, arXiv 2409.15355).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from model.passage_disk import PassageDisk
from model.stored_passage import StoredPassage


class PassageStore:
    """Passages by their tokens under a byte budget; the least recently used go first.

    With `disk` they are kept there too, and found again when memory has forgotten them.
    """

    def __init__(self, budget_bytes: int, disk: PassageDisk | None = None) -> None:
        self._budget_bytes = budget_bytes
        self.disk = disk
        self._passages: OrderedDict[tuple[int, ...], StoredPassage] = OrderedDict()
        self.bytes = self.hits = self.misses = self.evictions = 0  # hits: in memory; misses: nowhere

    def __len__(self) -> int:
        return len(self._passages)

    def __contains__(self, tokens: Sequence[int]) -> bool:
        """True when the passage is here; asking is no use of it."""
        return tuple(tokens) in self._passages or (self.disk is not None and tokens in self.disk)

    def get(self, tokens: Sequence[int]) -> StoredPassage | None:
        """The passage of these tokens, if it is still here."""
        key = tuple(tokens)
        found = self._passages.get(key)
        if found is not None:
            self.hits += 1
            self._passages.move_to_end(key)
            return found
        found = None if self.disk is None else self.disk.get(key)
        if found is None:
            self.misses += 1
        else:
            self._remember(key, found)
        return found

    def clear(self) -> None:
        """Forget every passage in memory: one may have been deleted. Files are for the folder's owner."""
        self._passages.clear()
        self.bytes = 0
        if self.disk is not None:
            self.disk.count()

    def put(self, tokens: Sequence[int], stored: StoredPassage) -> None:
        """Keep a passage; one that is larger than a whole budget is not kept there."""
        key = tuple(tokens)
        self._remember(key, stored)
        if self.disk is not None:
            self.disk.put(key, stored)

    def _remember(self, key: tuple[int, ...], stored: StoredPassage) -> None:
        if stored.bytes > self._budget_bytes or key in self._passages:
            return
        self._passages[key] = stored
        self.bytes += stored.bytes
        while self.bytes > self._budget_bytes:
            _, oldest = self._passages.popitem(last=False)
            self.bytes -= oldest.bytes
            self.evictions += 1
