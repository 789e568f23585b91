"""The Triton kernels and the engine on a real card, in one table: `python -m tests.bench.gpu [--quick]`.

A decoder's steps against `transformers` on the same weights, answers together against one after another,
paged decode against the fused kernel over keys that are gathered from their blocks first, and prefill against
torch's fused kernel (causal, bfloat16). Times are medians of CUDA events after a warm-up, ours and the
peer's taken alternately; answers are timed by the clock. A large write goes before every call: it empties the
L2 cache and lets the host queue ahead. Bandwidth is a share of what a large copy reaches here, counted both
ways.
A row is printed when it is done, and one that fails is a row too. Exits 2 where there is no GPU.
`--dry` tries the script itself on a CPU: tiny shapes, the kernels in Triton's interpreter.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch

from model.attention import AttentionMask, Implementation, attend
from model.kv_cache import BLOCK_TOKENS
from tests.bench.gpu_engine import Size, answer_cases, step_cases
from tests.bench.gpu_measure import Case, Row, Source, copy_bytes_per_s, measured, median_ms

NO_GPU = 2  # exit status
SECONDS = 150.0  # after which no row is begun
PREFILL_TOKENS = (1024, 2048, 4096, 8192, 16384, 32768)
HEADS = {64: (16, 4), 128: (16, 4), 256: (8, 2)}  # head width to query and key/value heads
DECODE_BATCHES = (
    (1, 1024),
    (1, 8192),
    (1, 32768),
    (16, 1024),
    (16, 8192),
    (64, 2048),
)  # sequences, tokens each
DRY = Size("cpu", prompt_tokens=70, batches=(1, 3), answers=3, new_tokens=4, repeats=1, tiny=True)


def prefill_row(device: str, width: int, tokens: int) -> Row:
    """One sequence under a causal mask."""
    heads, key_heads = HEADS[width]
    q = torch.randn((1, heads, tokens, width), dtype=torch.bfloat16, device=device)
    k, v = torch.randn((2, 1, key_heads, tokens, width), dtype=torch.bfloat16, device=device)

    def run(name: Implementation) -> Callable[[], object]:
        return lambda: attend(q, k, v, AttentionMask(causal=True), scale=width**-0.5, implementation=name)

    ours, peer = median_ms(device, run("triton"), run("sdpa"))
    operations = 4 * heads * width * tokens * (tokens + 1) / 2
    rate = f"{operations / ours / 1e9:.0f} TFLOP/s"
    return Row(f"prefill, D {width}, {tokens} tokens", ours, "torch SDPA", peer, rate)


def prefill_cases(device: str, lengths: tuple[int, ...]) -> Iterator[Case]:
    """Every head width and length."""
    for width in HEADS:
        for tokens in lengths:
            yield f"prefill, D {width}, {tokens} tokens", partial(prefill_row, device, width, tokens)


def decode_row(device: str, width: int, batch: int, tokens: int, bytes_per_s: float) -> Row:
    """One new token a sequence over scattered blocks, without a window."""
    from model.attention.triton_decode import decode_paged

    heads, key_heads = HEADS[width]
    per_sequence = tokens // BLOCK_TOKENS
    shape = (2, batch * per_sequence, BLOCK_TOKENS, key_heads, width)
    keys, values = torch.randn(shape, dtype=torch.bfloat16, device=device)
    tables = torch.randperm(batch * per_sequence, device=device).view(batch, -1)
    short_tables = tables.int()
    lengths = torch.full((batch,), tokens, dtype=torch.int32, device=device)
    q = torch.randn((batch, heads, width), dtype=torch.bfloat16, device=device)
    scale = width**-0.5

    def peer() -> torch.Tensor:
        k, v = (each[tables].flatten(1, 2).transpose(1, 2) for each in (keys, values))
        return attend(q[:, :, None], k, v, AttentionMask(), scale=scale)

    ours = partial(decode_paged, q, keys, values, short_tables, lengths, scale=scale)
    ours_ms, peer_ms = median_ms(device, ours, peer)
    moved = keys.nbytes + values.nbytes + 2 * q.nbytes + short_tables.nbytes
    share = f"{moved / ours_ms * 1e3 / bytes_per_s:.0%} of bandwidth"
    return Row(f"decode, D {width}, {batch} x {tokens}", ours_ms, "gather + SDPA", peer_ms, share)


def decode_cases(device: str, batches: tuple[tuple[int, int], ...], bytes_per_s: float) -> Iterator[Case]:
    """Every head width, batch and length."""
    for width in HEADS:
        for batch, tokens in batches:
            name = f"decode, D {width}, {batch} x {tokens}"
            yield name, partial(decode_row, device, width, batch, tokens, bytes_per_s)


def sources(size: Size, gguf: Path | None, bytes_per_s: float, quick: bool) -> list[Source]:
    """What is measured, in the order of how much it is wanted should time run out."""
    lengths, batches = (PREFILL_TOKENS[:2], DECODE_BATCHES[:2]) if quick else (PREFILL_TOKENS, DECODE_BATCHES)
    if size.tiny:
        lengths, batches = (64,), ((1, 128),)
    gemma, qwen = "Gemma 3 270M", "Qwen2.5 0.5B"
    return [
        ("steps", partial(step_cases, gemma, size, bytes_per_s)),
        ("answers", partial(answer_cases, size, gguf)),
        ("decode", partial(decode_cases, size.device, batches, bytes_per_s)),
        ("prefill", partial(prefill_cases, size.device, lengths)),
        ("steps", partial(step_cases, qwen, size, bytes_per_s, ("gather", "graphs"))),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Print the table, then one JSON line; 2 without a GPU, 1 without triton or where a row failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="kernels: the shortest lengths only")
    parser.add_argument("--gguf", type=Path, help="weights of the answers; random ones without")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="no row begins after them")
    parser.add_argument("--dry", action="store_true", help="try the script on a CPU")
    options = parser.parse_args(arguments)
    if options.dry:
        os.environ["TRITON_INTERPRET"] = "1"
    elif not torch.cuda.is_available():
        print("no GPU here: torch sees no CUDA device, nothing was measured", file=sys.stderr)
        return NO_GPU
    if importlib.util.find_spec("triton") is None:
        print("triton is not installed: nothing was measured", file=sys.stderr)
        return 1
    size = DRY if options.dry else Size("cuda")
    limit = copy_bytes_per_s(size.device)
    name = "a CPU" if options.dry else torch.cuda.get_device_name()
    machine = f"{name}, torch {torch.__version__}, copy {limit / 1e12:.2f} TB/s"
    print(machine)
    print(f"{'what':<42}{'ours ms':>10}{'peer ms':>10}{'ratio':>8}  peer, limit", flush=True)
    rows = list(measured(sources(size, options.gguf, limit, options.quick), options.seconds))
    print(json.dumps({"name": "gpu", "rows": rows, "machine": machine}))
    return 1 if any("error" in row for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
