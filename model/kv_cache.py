"""Keys and values of past tokens, in blocks (PagedAttention, Kwon et al. 2023).

Storage is cut into blocks of BLOCK_TOKENS slots. A sequence owns a table of blocks; blocks are counted, so
that forked sequences (beams, shared prefixes) share what they have in common and copy a block before writing
to it. Free blocks are handed out lowest first: a lone sequence lies in one run and is read as a view.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from model.attention import AttentionMask
from model.cache_storage import CacheStorage
from model.config import DecoderConfig

BLOCK_TOKENS = 64


class CacheFull(RuntimeError):
    """No block is left for another token."""


def blocks_for(tokens: int) -> int:
    """Blocks that hold this many tokens of one sequence."""
    return -(-tokens // BLOCK_TOKENS)


class BlockAllocator:
    """Counts the users of every block; knows nothing of tensors."""

    def __init__(self, blocks: int) -> None:
        self._free = list(range(blocks))  # a heap: the lowest block is handed out first
        self._users = [0] * blocks

    @property
    def free_blocks(self) -> int:
        """Blocks that nobody uses."""
        return len(self._free)

    def allocate(self) -> int:
        """The lowest free block, with one user; raises CacheFull."""
        if not self._free:
            raise CacheFull(f"all {len(self._users)} cache blocks are in use")
        block = heapq.heappop(self._free)
        self._users[block] = 1
        return block

    def share(self, block: int) -> None:
        """One more user of a block that is in use."""
        if self._users[block] == 0:
            raise ValueError(f"block {block} is free and cannot be shared")
        self._users[block] += 1

    def release(self, block: int) -> None:
        """One user less; the last one frees the block."""
        if self._users[block] == 0:
            raise ValueError(f"block {block} is already free")
        self._users[block] -= 1
        if self._users[block] == 0:
            heapq.heappush(self._free, block)

    @property
    def blocks(self) -> int:
        """All blocks, free or not."""
        return len(self._users)

    def is_shared(self, block: int) -> bool:
        """True when writing to the block would show in another sequence."""
        return self._users[block] > 1

    def check_integrity(self, tables: Sequence[Sequence[int]]) -> None:
        """Raise ValueError unless users counted equal the tables' entries and all other blocks are free."""
        counted = [0] * len(self._users)
        for table in tables:
            for block in table:
                counted[block] += 1
        if counted != self._users:
            raise ValueError("block users do not match the block tables")
        if sorted(self._free) != [block for block, users in enumerate(self._users) if users == 0]:
            raise ValueError("the free list does not match the unused blocks")


@dataclass(eq=False)
class CachedSequence:
    """One sequence in the cache: its blocks in order, and how many tokens they hold."""

    blocks: list[int] = field(default_factory=list)
    length_tokens: int = 0


class Reserve(Protocol):
    """Holds blocks that it can do without."""

    @property
    def held_blocks(self) -> list[int]: ...

    @property
    def spare_blocks(self) -> int:
        """Blocks that `give_back` can free."""
        ...

    def give_back(self, blocks: int) -> None: ...


class KVCache:
    """Keys and values of many sequences for every layer of one decoder."""

    def __init__(
        self,
        config: DecoderConfig,
        capacity_tokens: int,
        *,
        dtype: torch.dtype,
        device: torch.device,
        in_8_bits: bool = False,
    ) -> None:
        """`dtype` is what is taken and given; stored it is, too, unless `in_8_bits`."""
        blocks = blocks_for(capacity_tokens)
        shape = (config.layers, blocks, BLOCK_TOKENS, config.key_value_heads, config.head_width)
        self.device = device
        self.keys = CacheStorage.empty(shape, dtype=dtype, device=device, in_8_bits=in_8_bits)
        self.values = CacheStorage.empty(shape, dtype=dtype, device=device, in_8_bits=in_8_bits)
        self._allocator = BlockAllocator(blocks)
        self._sequences: set[CachedSequence] = set()
        self.reserve: Reserve | None = None

    @property
    def bytes_per_token(self) -> int:
        """Storage one token takes over all layers."""
        return self.keys.bytes_per_token + self.values.bytes_per_token

    @property
    def is_in_8_bits(self) -> bool:
        """True when what is read was rounded to 8 bits."""
        return self.keys.scales is not None

    @property
    def blocks(self) -> int:
        """All blocks, free or not."""
        return self._allocator.blocks

    @property
    def capacity_tokens(self) -> int:
        """Tokens that fit into all blocks."""
        return self.blocks * BLOCK_TOKENS

    @property
    def free_blocks(self) -> int:
        """Blocks that no sequence uses; the reserve gives its own back when they are needed."""
        return self._allocator.free_blocks + (self.reserve.spare_blocks if self.reserve else 0)

    @property
    def free_tokens(self) -> int:
        """Tokens that fit into the free blocks."""
        return self.free_blocks * BLOCK_TOKENS

    def open(self) -> CachedSequence:
        """A new, empty sequence."""
        sequence = CachedSequence()
        self._sequences.add(sequence)
        return sequence

    def fork(self, sequence: CachedSequence) -> CachedSequence:
        """A sequence with the same past; the blocks are shared until one of the two writes."""
        for block in sequence.blocks:
            self._allocator.share(block)
        copy = CachedSequence(list(sequence.blocks), sequence.length_tokens)
        self._sequences.add(copy)
        return copy

    def adopt(self, sequence: CachedSequence, blocks: Sequence[int]) -> None:
        """Let an empty sequence begin with full blocks that are in use; raises ValueError for another one."""
        if sequence.blocks:
            raise ValueError("only an empty sequence can begin with other blocks")
        for block in blocks:
            self._allocator.share(block)
        sequence.blocks.extend(blocks)
        sequence.length_tokens = len(blocks) * BLOCK_TOKENS

    def hold(self, block: int) -> None:
        """One more user of a block, for the reserve."""
        self._allocator.share(block)

    def drop(self, block: int) -> None:
        """Undo `hold`; the last user frees the block."""
        self._allocator.release(block)

    def is_shared(self, block: int) -> bool:
        """True when a block has more than one user."""
        return self._allocator.is_shared(block)

    def close(self, sequence: CachedSequence) -> None:
        """Give a sequence's blocks back; closing twice is an error (KeyError)."""
        self._sequences.remove(sequence)
        for block in sequence.blocks:
            self._allocator.release(block)
        sequence.blocks.clear()

    def truncate(self, sequence: CachedSequence, length_tokens: int) -> None:
        """Forget a sequence's tokens from `length_tokens` on and give the blocks behind them back.

        Forks keep what they share: a block cut in the middle is copied before the next write, like any other.
        Raises ValueError unless the length lies within the sequence.
        """
        if not 0 <= length_tokens <= sequence.length_tokens:
            raise ValueError(f"{sequence.length_tokens} tokens cannot be cut to {length_tokens}")
        kept = blocks_for(length_tokens)
        for block in sequence.blocks[kept:]:
            self._allocator.release(block)
        del sequence.blocks[kept:]
        sequence.length_tokens = length_tokens

    def check_integrity(self) -> None:
        """Raise ValueError unless every block is free, or named by tables that need it, and counted."""
        held = self.reserve.held_blocks if self.reserve else []
        self._allocator.check_integrity([held, *(sequence.blocks for sequence in self._sequences)])
        for sequence in self._sequences:
            if len(sequence.blocks) != blocks_for(sequence.length_tokens):
                raise ValueError("a sequence has more or fewer blocks than its tokens need")

    def step(self, sequences: Sequence[CachedSequence], counts: Sequence[int]) -> CacheStep:
        """`grow`; the step then takes the new tokens' keys and values."""
        starts = self.grow(sequences, counts)
        tables = [list(sequence.blocks) for sequence in sequences]
        return CacheStep(self, tables, starts, list(counts))

    def grow(self, sequences: Sequence[CachedSequence], counts: Sequence[int]) -> list[int]:
        """Make room for counts[i] more tokens of sequences[i], which whoever asks fills; their old lengths.

        Raises CacheFull when the free blocks do not suffice; nothing is changed then.
        """
        self._check_room(sequences, counts)
        starts = [sequence.length_tokens for sequence in sequences]
        for sequence, count in zip(sequences, counts, strict=True):
            self._grow(sequence, count)
        return starts

    def read(self, sequence: CachedSequence, first: int) -> tuple[Tensor, Tensor]:
        """Copies of the keys and values from token `first` on: [layers, tokens, K, D] each."""
        slots = torch.tensor(_slots(sequence.blocks, first, sequence.length_tokens), device=self.device)
        return self.keys.read_all(slots), self.values.read_all(slots)

    def append(self, sequence: CachedSequence, keys: Tensor, values: Tensor) -> None:
        """Put stored keys and values [layers, tokens, K, D] behind a sequence; raises CacheFull."""
        count = keys.shape[1]
        self._check_room([sequence], [count])
        start = sequence.length_tokens
        self._grow(sequence, count)
        slots = torch.tensor(_slots(sequence.blocks, start, start + count), device=self.device)
        self.keys.write_all(slots, keys)
        self.values.write_all(slots, values)

    def _check_room(self, sequences: Sequence[CachedSequence], counts: Sequence[int]) -> None:
        needed = 0
        for sequence, count in zip(sequences, counts, strict=True):
            end = sequence.length_tokens + count
            needed += blocks_for(end) - len(sequence.blocks) + self._writes_to_shared(sequence)
        if self.reserve and needed > self._allocator.free_blocks:
            self.reserve.give_back(needed - self._allocator.free_blocks)
        if needed > self._allocator.free_blocks:
            raise CacheFull(f"{needed} cache blocks needed, {self._allocator.free_blocks} are free")

    def _writes_to_shared(self, sequence: CachedSequence) -> bool:
        """True when the next token goes into a block that another sequence reads."""
        partial = sequence.length_tokens % BLOCK_TOKENS != 0
        return partial and self._allocator.is_shared(sequence.blocks[-1])

    def _grow(self, sequence: CachedSequence, count: int) -> None:
        if self._writes_to_shared(sequence):
            shared, own = sequence.blocks[-1], self._allocator.allocate()
            self.keys.copy(shared, own)
            self.values.copy(shared, own)
            self._allocator.release(shared)
            sequence.blocks[-1] = own
        sequence.length_tokens += count
        while len(sequence.blocks) * BLOCK_TOKENS < sequence.length_tokens:
            sequence.blocks.append(self._new_block())

    def _new_block(self) -> int:
        block = self._allocator.allocate()
        self.keys.clear(block)
        self.values.clear(block)
        return block


def _slots(blocks: Sequence[int], first: int, last: int) -> list[int]:
    """Storage slots of tokens first to last of a block table."""
    return [
        blocks[index // BLOCK_TOKENS] * BLOCK_TOKENS + index % BLOCK_TOKENS for index in range(first, last)
    ]


class CacheStep:
    """One forward pass over new tokens of B sequences: takes their keys and values, gives the whole past."""

    def __init__(
        self,
        cache: KVCache,
        tables: list[list[int]],
        starts: list[int],
        counts: list[int],
    ) -> None:
        self.cache = cache
        self.tables = tables
        self.starts = starts
        self.counts = counts
        rows = max(counts)
        device = cache.device
        offsets = torch.arange(rows, device=device)
        self._start = torch.tensor(starts, device=device)
        self.positions = self._start[:, None] + offsets  # int64 [B, T]; rows beyond counts[i] are padding
        ragged = min(counts) < rows
        self.real = offsets < torch.tensor(counts, device=device)[:, None] if ragged else None  # [B, T]
        self._slots = self._slot_numbers()

    def _slot_numbers(self) -> Tensor:
        """Storage slot of every new token, padding left out: int64 [N]."""
        slots = [
            slot
            for table, start, count in zip(self.tables, self.starts, self.counts, strict=True)
            for slot in _slots(table, start, start + count)
        ]
        return torch.tensor(slots, device=self.positions.device)

    def extend(
        self, layer: int, k: Tensor, v: Tensor, window: int | None
    ) -> tuple[Tensor, Tensor, AttentionMask]:
        """Store the new tokens' k, v [B, T, K, D]; returns keys and values [B, K, S, D] and their mask.

        S covers what the window lets any new token see: old tokens of windowed layers are not read.
        """
        self.store(layer, k, v)
        if len(self.tables) == 1:
            return self._read_alone(layer, k, v, window)
        return self._read_batch(layer, window)

    def store(self, layer: int, k: Tensor, v: Tensor) -> None:
        """Store the new tokens' k, v [B, T, K, D]."""
        self.cache.keys.write(layer, self._slots, self.packed(k))
        self.cache.values.write(layer, self._slots, self.packed(v))

    def packed(self, padded: Tensor) -> Tensor:
        """Rows [N, ...] of the new tokens out of [B, T, ...], sequence by sequence, padding left out."""
        return padded.flatten(0, 1) if self.real is None else padded[self.real]

    def _read_alone(
        self, layer: int, k: Tensor, v: Tensor, window: int | None
    ) -> tuple[Tensor, Tensor, AttentionMask]:
        """One sequence: exactly the visible keys, and no mask at all for a single new token."""
        start, count = self.starts[0], self.counts[0]
        if start == 0 and not self.cache.is_in_8_bits:  # these are what would be read
            return k.transpose(1, 2), v.transpose(1, 2), AttentionMask(causal=True, window=window)
        first = 0 if window is None else max(0, start - window + 1)
        keys = self._gather(self.cache.keys, layer, first, start + count)
        values = self._gather(self.cache.values, layer, first, start + count)
        if count == 1:
            return keys, values, AttentionMask()
        return keys, values, AttentionMask(causal=True, window=window, query_start=self._start - first)

    def _gather(self, storage: CacheStorage, layer: int, first: int, last: int) -> Tensor:
        """Slots first to last of the only sequence: [1, K, S, D]; a view when its blocks lie in one run."""
        skipped = first // BLOCK_TOKENS
        table = self.tables[0][skipped : -(-last // BLOCK_TOKENS)]
        if table[-1] - table[0] == len(table) - 1 and table == list(range(table[0], table[-1] + 1)):
            blocks = storage.read(layer, slice(table[0], table[-1] + 1))
        else:
            blocks = storage.read(layer, torch.tensor(table, device=self.cache.device))
        slots = blocks.flatten(0, 1)[first - skipped * BLOCK_TOKENS : last - skipped * BLOCK_TOKENS]
        return slots.transpose(0, 1)[None]

    def _read_batch(self, layer: int, window: int | None) -> tuple[Tensor, Tensor, AttentionMask]:
        """Several sequences: whole blocks from the earliest that any of them sees, shorter tables padded."""
        oldest = min(self.starts)
        skipped = 0 if window is None else max(0, oldest - window + 1) // BLOCK_TOKENS
        longest = max(len(table) for table in self.tables)
        padded = [table[skipped:] + table[-1:] * (longest - len(table)) for table in self.tables]
        index = torch.tensor(padded, device=self.positions.device)  # [B, blocks of the longest]
        keys = self.cache.keys.read(layer, index).flatten(1, 2).transpose(1, 2)
        values = self.cache.values.read(layer, index).flatten(1, 2).transpose(1, 2)
        # Causality hides what lies beyond a sequence's end: padding blocks and slots not yet written.
        start = self._start - skipped * BLOCK_TOKENS
        return keys, values, AttentionMask(causal=True, window=window, query_start=start)
