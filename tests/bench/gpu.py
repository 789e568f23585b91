"""The Triton kernels on a real card, in one table: `python -m tests.bench.gpu [--quick]`.

Prefill against torch's fused kernel (causal, bfloat16), paged decode against the fused kernel over keys that
are gathered from their blocks first, and a decoder's steps against `transformers` on the same random weights.
Times are medians of CUDA events after a warm-up, ours and the peer's taken alternately. A large write goes
before every call: it empties the L2 cache and lets the host queue ahead. Bandwidth is a share of what a large
copy reaches on this card, counted both ways.
Exits 2 where there is no GPU.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from model.attention import AttentionMask, Implementation, attend
from model.kv_cache import BLOCK_TOKENS

DEVICE = "cuda"
NO_GPU = 2  # exit status
REPEATS = 20
COPY_BYTES = 2**30
FLUSH_BYTES = 2**30  # more than any L2 cache
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
DECODER = {  # of Qwen2.5 0.5B
    "vocab_size": 151_936,
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}


@dataclass(frozen=True)
class Row:
    """One line of the table; times are medians in milliseconds."""

    what: str
    ours_ms: float
    peer: str
    peer_ms: float
    of_limit: str  # arithmetic rate, or the share of the card's bandwidth

    @property
    def ratio(self) -> float:
        """How many times faster than the peer."""
        return self.peer_ms / self.ours_ms


def median_ms(*calls: Callable[[], object]) -> list[float]:
    """Median time of each call, the calls alternating."""
    flush = torch.empty(FLUSH_BYTES, dtype=torch.int8, device=DEVICE)
    times: list[list[float]] = [[] for _ in calls]
    for repeat in range(3 + REPEATS):  # three to warm up: compilation, allocation, clocks
        for call, mine in zip(calls, times, strict=True):
            flush.zero_()
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            call()
            end.record()
            end.synchronize()
            if repeat >= 3:
                mine.append(begin.elapsed_time(end))
    return [statistics.median(mine) for mine in times]


def copy_bytes_per_s() -> float:
    """Bytes read and written a second by a copy that is larger than the cache."""
    source = torch.empty(COPY_BYTES, dtype=torch.int8, device=DEVICE).random_()
    target = torch.empty_like(source)
    (time,) = median_ms(lambda: target.copy_(source))
    return 2 * COPY_BYTES / time * 1e3


def prefill_rows(lengths: tuple[int, ...]) -> Iterator[Row]:
    """One sequence under a causal mask, every head width and length."""
    mask = AttentionMask(causal=True)
    for width, (heads, key_heads) in HEADS.items():
        for tokens in lengths:
            q = torch.randn((1, heads, tokens, width), dtype=torch.bfloat16, device=DEVICE)
            k, v = torch.randn((2, 1, key_heads, tokens, width), dtype=torch.bfloat16, device=DEVICE)

            def run(name: Implementation) -> torch.Tensor:
                return attend(q, k, v, mask, scale=q.shape[-1] ** -0.5, implementation=name)  # noqa: B023

            ours, peer = median_ms(lambda: run("triton"), lambda: run("sdpa"))
            operations = 4 * heads * width * tokens * (tokens + 1) / 2
            rate = f"{operations / ours / 1e9:.0f} TFLOP/s"
            yield Row(f"prefill, D {width}, {tokens} tokens", ours, "torch SDPA", peer, rate)


def decode_rows(batches: tuple[tuple[int, int], ...], limit_bytes_per_s: float) -> Iterator[Row]:
    """One new token a sequence over scattered blocks, without a window."""
    from model.attention.triton_decode import decode_paged

    for width, (heads, key_heads) in HEADS.items():
        for batch, tokens in batches:
            per_sequence = tokens // BLOCK_TOKENS
            shape = (2, batch * per_sequence, BLOCK_TOKENS, key_heads, width)
            keys, values = torch.randn(shape, dtype=torch.bfloat16, device=DEVICE)
            tables = torch.randperm(batch * per_sequence, device=DEVICE).view(batch, -1)
            short_tables = tables.int()
            lengths = torch.full((batch,), tokens, dtype=torch.int32, device=DEVICE)
            q = torch.randn((batch, heads, width), dtype=torch.bfloat16, device=DEVICE)
            scale = width**-0.5

            def ours() -> torch.Tensor:
                return decode_paged(q, keys, values, short_tables, lengths, scale=scale)  # noqa: B023

            def peer() -> torch.Tensor:
                k, v = (each[tables].flatten(1, 2).transpose(1, 2) for each in (keys, values))  # noqa: B023
                return attend(q[:, :, None], k, v, AttentionMask(), scale=scale)  # noqa: B023

            ours_ms, peer_ms = median_ms(ours, peer)
            moved = keys.nbytes + values.nbytes + 2 * q.nbytes + short_tables.nbytes
            share = f"{moved / ours_ms * 1e3 / limit_bytes_per_s:.0%} of bandwidth"
            yield Row(f"decode, D {width}, {batch} x {tokens}", ours_ms, "gather + SDPA", peer_ms, share)


def decoder_rows(limit_bytes_per_s: float) -> Iterator[Row]:
    """Steps of a whole decoder (Qwen2 of 0.5 B, random weights) behind 1,024 tokens, one sequence."""
    if importlib.util.find_spec("transformers") is None:
        print("transformers is not installed: no row for a whole decoder", file=sys.stderr)
        return
    from transformers import DynamicCache, Qwen2Config, Qwen2ForCausalLM

    from model.decoder_runner import DecoderRunner
    from model.huggingface_decoder import load_huggingface_decoder

    device, dtype = torch.device(DEVICE), torch.bfloat16
    config = Qwen2Config(**DECODER)
    theirs = Qwen2ForCausalLM(config).to(device, dtype).eval()
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        decoder = load_huggingface_decoder(Path(folder), dtype=dtype, device=device)
    runner = DecoderRunner(decoder, 4096)
    prompt = torch.randint(0, config.vocab_size, (1, 1024), device=device)
    sequence, _ = runner.prefill(prompt[0].tolist(), lambda: False)
    cache = DynamicCache()
    token = prompt[:, -1:]

    def our_step() -> None:
        runner.advance([sequence], [7])

    def their_step() -> None:
        theirs(token, past_key_values=cache, use_cache=True, logits_to_keep=1)

    with torch.inference_mode():
        theirs(prompt, past_key_values=cache, use_cache=True, logits_to_keep=1)
        ours_ms, peer_ms = median_ms(our_step, their_step)
    weights = sum(each.nbytes for each in decoder.parameters())
    share = f"{weights / ours_ms * 1e3 / limit_bytes_per_s:.0%} of bandwidth"
    yield Row("decoder step, Qwen2 0.5 B, sdpa", ours_ms, "transformers", peer_ms, share)


def main(arguments: list[str] | None = None) -> int:
    """Print the table, then one JSON line; 2 without a GPU, 1 without triton."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="the shortest lengths only")
    quick = parser.parse_args(arguments).quick
    if not torch.cuda.is_available():
        print("no GPU here: torch sees no CUDA device, nothing was measured", file=sys.stderr)
        return NO_GPU
    if importlib.util.find_spec("triton") is None:
        print("triton is not installed: nothing was measured", file=sys.stderr)
        return 1
    limit = copy_bytes_per_s()
    machine = f"{torch.cuda.get_device_name()}, torch {torch.__version__}, copy {limit / 1e12:.2f} TB/s"
    print(machine)
    print(f"{'what':<36}{'ours ms':>10}{'peer ms':>10}{'ratio':>8}  peer, limit")
    rows = []
    lengths, batches = (PREFILL_TOKENS[:2], DECODE_BATCHES[:2]) if quick else (PREFILL_TOKENS, DECODE_BATCHES)
    for source in (prefill_rows(lengths), decode_rows(batches, limit), decoder_rows(limit)):
        for row in source:
            rows.append({**asdict(row), "ratio": round(row.ratio, 3)})
            print(
                f"{row.what:<36}{row.ours_ms:>10.3f}{row.peer_ms:>10.3f}{row.ratio:>8.2f}  "
                f"{row.peer}, {row.of_limit}",
                flush=True,
            )
    print(json.dumps({"name": "gpu", "rows": rows, "machine": machine}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
