"""Decode steps as CUDA graphs: captured once a shape, replayed with other tokens and block tables.

A step of a small decoder is hundreds of kernels, and the host launches them slower than a card computes
them. A graph is launched in one go, but reads and writes only where it did when it was captured. So every new
token, drafts included, is one row of a fixed table: the token, its position, and the blocks of its sequence.
Rows and blocks are rounded up to a few sizes, which bounds how many graphs there are. Rows of padding have
length 0 and write to a block that is theirs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from model.attention import PagedMask
from model.decoder import Decoder
from model.kv_cache import BLOCK_TOKENS, CachedSequence, KVCache
from model.scores import Scores, best_of

log = logging.getLogger(__name__)

ROWS = (1, 2, 4, 8, 16, 32)  # new tokens of a step; more are not replayed
FEWEST_BLOCKS, BLOCKS_FACTOR = 16, 4  # widths of the tables: 16 blocks, 64, 256, ...
TOKEN, POSITION = 0, 1  # columns of the inputs
HEAD_COLUMNS = 16  # before the table, which a compiled kernel expects at a multiple of 16 bytes

DecodeGraphs = Literal["auto", "off"]
Run = Callable[[], None]
Capture = Callable[[Run], Run]


class CudaCapture:
    """Makes graphs that share their memory: one is replayed at a time, and what they return lies outside."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Run) -> Run:
        """Compute `run` once, to compile its kernels; then what replays it. `run` itself where that fails."""
        with torch.cuda.device(self._device):
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                run()
            torch.cuda.current_stream().wait_stream(stream)
            graph = torch.cuda.CUDAGraph()
            try:
                # Other threads use the device too: their allocations must not end this capture.
                with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                    run()
            except RuntimeError as error:
                log.warning("decode steps are launched kernel by kernel: no CUDA graph, %s", error)
                return run
        return graph.replay


class TokenRows:
    """The past of N new tokens: each a row of its own, with its table and its length."""

    def __init__(self, cache: KVCache, inputs: Tensor) -> None:
        """`inputs` int32 [N, HEAD_COLUMNS + blocks]; a position of -1 is padding."""
        self._cache = cache
        self._tables = inputs[:, HEAD_COLUMNS:]
        self._lengths = (inputs[:, POSITION] + 1).contiguous()
        self.positions = inputs[:, POSITION, None].long().clamp_min(0)  # [N, 1]
        blocks = self._tables.gather(1, self.positions // BLOCK_TOKENS)
        self._slots = (blocks * BLOCK_TOKENS + self.positions % BLOCK_TOKENS)[:, 0]

    def extend(
        self, layer: int, k: Tensor, v: Tensor, window: int | None
    ) -> tuple[Tensor, Tensor, PagedMask]:
        """Store k, v [N, 1, K, D]; returns the storage of the layer [blocks, block tokens, K, D]."""
        keys, values = self._cache.keys, self._cache.values
        keys.write(layer, self._slots, k[:, 0])
        values.write(layer, self._slots, v[:, 0])
        return keys.codes[layer], values.codes[layer], PagedMask(self._tables, self._lengths, window)


class GraphedSteps:
    """Decode steps of one decoder over one cache; `prepare` captures a graph, or its first use does."""

    def __init__(self, decoder: Decoder, cache: KVCache, capture: Capture | None = None) -> None:
        """Takes one block of the cache, for padding. `capture` makes CUDA graphs unless another is given."""
        self._decoder, self._cache = decoder, cache
        self._capture = CudaCapture(cache.device) if capture is None else capture
        self._captured: dict[tuple[int, int], tuple[Tensor, Run]] = {}  # inputs and what replays them
        vocab_size = decoder.config.vocab_size
        self._logits = torch.empty((ROWS[-1], vocab_size), device=cache.device)
        self._best = torch.empty((ROWS[-1], 2), device=cache.device)
        padding = cache.open()
        cache.grow([padding], [1])
        self._padding_block = padding.blocks[0]

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Rows and blocks of what was captured."""
        return list(self._captured)

    def prepare(self) -> None:
        """Capture the steps behind prompts of up to 1,024 tokens now, so that no answer waits for it."""
        for rows in ROWS:
            self._replay(self._padding(rows, FEWEST_BLOCKS))

    def takes(self, tokens: Sequence[Sequence[int]]) -> bool:
        """Whether so many new tokens fit into a graph."""
        return 0 < sum(len(each) for each in tokens) <= ROWS[-1]

    @torch.inference_mode()
    def scores(
        self, sequences: Sequence[CachedSequence], tokens: Sequence[Sequence[int]], *, only_best: bool
    ) -> Scores:
        """As `DecoderRunner.extend`; with `only_best` the logits last until the next step."""
        starts = self._cache.grow(sequences, [len(each) for each in tokens])
        self._replay(self._inputs([sequence.blocks for sequence in sequences], starts, tokens))
        rows = sum(len(each) for each in tokens)
        if only_best:
            return Scores(self._logits[:rows], best_rows=self._best[:rows].tolist())
        return Scores(self._logits[:rows].clone())

    def _inputs(
        self, tables: Sequence[list[int]], starts: Sequence[int], tokens: Sequence[Sequence[int]]
    ) -> Tensor:
        """The rows on the host. Pinned, so that the copy waits for nothing; fresh, as it may not be over."""
        rows = next(size for size in ROWS if size >= sum(len(each) for each in tokens))
        width = FEWEST_BLOCKS
        while width < max(len(table) for table in tables):
            width *= BLOCKS_FACTOR
        inputs = self._padding(rows, width)
        array, row = inputs.numpy(), 0
        for table, start, own in zip(tables, starts, tokens, strict=True):
            last = row + len(own)
            array[row:last, TOKEN] = own
            array[row:last, POSITION] = range(start, start + len(own))
            array[row:last, HEAD_COLUMNS : HEAD_COLUMNS + len(table)] = table
            row = last
        return inputs

    def _padding(self, rows: int, width: int) -> Tensor:
        on_gpu = self._cache.device.type == "cuda"
        inputs = torch.zeros((rows, HEAD_COLUMNS + width), dtype=torch.int32, pin_memory=on_gpu)
        inputs[:, POSITION] = -1
        inputs[:, HEAD_COLUMNS] = self._padding_block
        return inputs

    def _replay(self, inputs: Tensor) -> None:
        shape = (inputs.shape[0], inputs.shape[1] - HEAD_COLUMNS)
        if shape in self._captured:
            static, replay = self._captured[shape]
            static.copy_(inputs, non_blocking=True)
        else:
            static = inputs.to(self._cache.device, copy=True)
            replay = self._capture(lambda: self._compute(static))
            self._captured[shape] = static, replay
        replay()

    def _compute(self, inputs: Tensor) -> None:
        """The step itself: nothing in it may look at a value on the host."""
        rows = len(inputs)
        past = TokenRows(self._cache, inputs)
        hidden = self._decoder.hidden(inputs[:, TOKEN, None].long(), past)[:, 0]
        logits = self._decoder.logits(hidden)
        self._logits[:rows] = logits
        self._best[:rows] = best_of(logits)
