"""Blocks of prompts that were read before, for prompts that begin with the same tokens.

What a token's keys and values are depends on the tokens before it and on nothing else (under the full mask),
so a full block is named by all tokens up to its end, as a chain of digests (automatic prefix caching, Kwon et
al. 2023). The same question asked again, or another one over the same passages, is then read from where it
differs.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from model.kv_cache import BLOCK_TOKENS, CachedSequence, KVCache


class PrefixCache:
    """Holds full blocks of `cache` under a budget; gives them back when the cache runs out of free ones."""

    def __init__(self, cache: KVCache, budget_blocks: int) -> None:
        self._cache = cache
        self._budget_blocks = budget_blocks
        self._blocks: OrderedDict[bytes, int] = OrderedDict()  # the least recently used first
        self.hit_tokens = self.missed_tokens = self.evictions = 0
        cache.reserve = self

    def __len__(self) -> int:
        return len(self._blocks)

    @property
    def held_blocks(self) -> list[int]:
        """All blocks that are held, for checks of the cache."""
        return list(self._blocks.values())

    @property
    def spare_blocks(self) -> int:
        """Blocks that nobody but this cache uses; may be asked for in any thread."""
        return sum(not self._cache.is_shared(block) for block in self.held_blocks)

    def adopt(self, sequence: CachedSequence, tokens: Sequence[int]) -> int:
        """Give an empty sequence the blocks that its prompt begins with; returns how many tokens they hold.

        One token is always left over: what follows a prompt is computed with its last token.
        """
        known: list[bytes] = []
        for key in _chain(tokens[:-1]):
            if key not in self._blocks:
                break
            known.append(key)
        self._cache.adopt(sequence, [self._blocks[key] for key in known])
        self._touch(known)
        self.hit_tokens += sequence.length_tokens
        self.missed_tokens += len(tokens) - sequence.length_tokens
        return sequence.length_tokens

    def keep(self, sequence: CachedSequence, tokens: Sequence[int]) -> None:
        """Hold the full blocks of a prompt that a sequence has read."""
        keys = list(_chain(tokens))[: self._budget_blocks]
        for key, block in zip(keys, sequence.blocks, strict=False):
            if key not in self._blocks:
                self._cache.hold(block)
                self._blocks[key] = block
        self._touch(keys)
        while len(self._blocks) > self._budget_blocks:
            self._drop(next(iter(self._blocks)))

    def give_back(self, blocks: int) -> None:
        """Free so many blocks, as far as nobody else uses them."""
        spare = [key for key, block in self._blocks.items() if not self._cache.is_shared(block)]
        for key in spare[:blocks]:
            self._drop(key)

    def clear(self) -> None:
        """Hold nothing any more: a text that was read may have been deleted."""
        for block in self._blocks.values():
            self._cache.drop(block)
        self._blocks.clear()

    def _touch(self, keys: Sequence[bytes]) -> None:
        """The beginning of a chain last: without it the rest cannot be found."""
        for key in reversed(keys):
            self._blocks.move_to_end(key)

    def _drop(self, key: bytes) -> None:
        self._cache.drop(self._blocks.pop(key))
        self.evictions += 1


def _chain(tokens: Sequence[int]) -> Iterator[bytes]:
    """A digest for every full block: of its tokens and all before it."""
    digest = b""
    for end in range(BLOCK_TOKENS, len(tokens) + 1, BLOCK_TOKENS):
        block = array("q", tokens[end - BLOCK_TOKENS : end]).tobytes()
        digest = hashlib.blake2b(digest + block, digest_size=16).digest()
        yield digest
