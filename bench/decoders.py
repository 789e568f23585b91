"""Decoders behind one interface: prompt tokens and a number in, that many tokens out, as they come."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.peers import Peer, library
from bench.session import BenchFailed
from model.device import has_native_bfloat16
from model.generator import DecodingOptions, Generator

Decode = Callable[[Sequence[int], int], Iterator[object]]
"""Prompt tokens and how many to generate, greedily: yields something for each, at once."""

LLAMA = "llama.cpp"
INSTALL_LLAMA = 'CMAKE_ARGS="-DGGML_NATIVE=ON" pip install llama-cpp-python'
INSTALL_TRANSFORMERS = "pip install transformers accelerate"


@dataclass(frozen=True, slots=True)
class Timing:
    """When the tokens of one answer came."""

    first_s: float  # from the call to the first token
    total_s: float  # to the last
    tokens: int

    @property
    def rate(self) -> float:
        """Tokens a second after the first; raises BenchFailed when there was only one."""
        if self.tokens < 2 or self.total_s <= self.first_s:
            raise BenchFailed(f"The decoder stopped after {self.tokens} tokens, so its speed is unknown.")
        return (self.tokens - 1) / (self.total_s - self.first_s)


def clock(start: Callable[[], Iterator[object]]) -> Timing:
    """Runs a stream to its end; raises BenchFailed when nothing came."""
    started = time.perf_counter()
    stamps = [time.perf_counter() - started for _ in start()]
    if not stamps:
        raise BenchFailed("The decoder gave no token at all.")
    return Timing(stamps[0], stamps[-1], len(stamps))


def our_decode(generator: Generator) -> Decode:
    """Ours; it alone stops where the model ends its text."""

    def decode(tokens: Sequence[int], count: int) -> Iterator[object]:
        return generator.generate(list(tokens), DecodingOptions(max_new_tokens=count))

    return decode


def decoder_peers(weights: Path, threads: int, context_tokens: int) -> list[Peer[Decode]]:
    """Those that read the same file; llama.cpp reads GGUF files only."""
    bf16 = has_native_bfloat16(torch.device("cpu"))
    dtype, name = (torch.bfloat16, "bf16") if bf16 else (torch.float32, "fp32")
    peers = [
        Peer(
            f"transformers {name}",
            ("transformers", "accelerate"),
            INSTALL_TRANSFORMERS,
            lambda: _transformers(weights, dtype),
        )
    ]
    if weights.suffix == ".gguf":
        llama = Peer(LLAMA, ("llama_cpp",), INSTALL_LLAMA, lambda: _llama(weights, threads, context_tokens))
        peers.insert(0, llama)
    return peers


def _llama(weights: Path, threads: int, context_tokens: int) -> Decode:
    """llama-cpp-python with its defaults; `reset` makes every prompt a new one."""
    llama = library("llama_cpp").Llama(
        str(weights), n_ctx=context_tokens, n_threads=threads, n_threads_batch=threads, verbose=False
    )

    def decode(tokens: Sequence[int], count: int) -> Iterator[object]:
        llama.reset()
        return itertools.islice(llama.generate(list(tokens), temp=0.0), count)

    return decode


def _transformers(weights: Path, dtype: torch.dtype) -> Decode:
    """A plain greedy loop over its cache, which is faster than its own `generate`."""
    transformers, options = library("transformers"), dict[str, object]()
    if weights.is_file():  # unpacked: its packed weights compute in fp32 and fetch kernels
        unpacked = transformers.GgufConfig(dequantize=True)
        options = {"gguf_file": weights.name, "quantization_config": unpacked}
    folder = weights.parent if weights.is_file() else weights
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, **options)
    model.eval()

    @torch.inference_mode()
    def decode(tokens: Sequence[int], count: int) -> Iterator[object]:
        read, cache = torch.tensor([list(tokens)]), None
        for _ in range(count):
            result = model(read, past_key_values=cache, use_cache=True, logits_to_keep=1)
            read, cache = result.logits[:, -1].argmax(dim=-1, keepdim=True), result.past_key_values
            yield int(read)

    return decode
