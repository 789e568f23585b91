"""Rows for whole decoders: a step, gathered, paged and replayed, beside `transformers`; and answers together.

Every step ends with its tokens on the host. Steps are of random weights in the shape of Gemma 3 270M (or
Qwen2.5 0.5B), the same for both sides; answers are of the GGUF file's weights where one is given.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import torch

from model.decoder import Decoder
from model.decoder_runner import DecoderRunner
from model.decoder_tokenizer import DecoderTokenizer, SpecialTokens
from model.huggingface_decoder import load_huggingface_decoder
from tests.bench.gpu_measure import REPEATS, WARM_UPS, Case, Row, median_ms

GEMMA = {  # 3 270M
    "vocab_size": 262_144,
    "hidden_size": 640,
    "intermediate_size": 2048,
    "num_hidden_layers": 18,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "head_dim": 256,
    "query_pre_attn_scalar": 256,
    "sliding_window": 512,
    "max_position_embeddings": 32_768,
}
QWEN = {  # 2.5 0.5B
    "vocab_size": 151_936,
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}
TINY = {
    "vocab_size": 97,
    "hidden_size": 64,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
TEXT = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"  # that prompts are cut out of
WAYS = ("gather", "paged", "graphs")


@dataclass(frozen=True)
class Size:
    """What is measured, and where."""

    device: str
    prompt_tokens: int = 1024
    batches: tuple[int, ...] = (1, 8)
    answers: int = 8
    new_tokens: int = 64
    repeats: int = REPEATS
    tiny: bool = False  # to try the script without a GPU

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32 if self.tiny else torch.bfloat16


@cache
def decoders(kind: str, size: Size) -> tuple[Any, Decoder]:
    """A decoder of `transformers` with random weights and ours with the same ones."""
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig, Qwen2Config, Qwen2ForCausalLM

    if kind == "Gemma 3 270M":
        config, make = Gemma3TextConfig(**{**GEMMA, **(TINY if size.tiny else {})}), Gemma3ForCausalLM
    else:
        config, make = Qwen2Config(**{**QWEN, **(TINY if size.tiny else {})}), Qwen2ForCausalLM
    theirs = make(config).to(size.device, size.dtype).eval()
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        ours = load_huggingface_decoder(Path(folder), dtype=size.dtype, device=torch.device(size.device))
    return theirs, ours


def choose_way(runner: DecoderRunner, way: str) -> None:
    """Let decode steps gather blocks, read them in place, or be replayed; recorded where there is no GPU."""
    runner.reads_paged = way != "gather"
    if way == "graphs":
        runner.use_graphs(None if runner.device.type == "cuda" else lambda run: run)


def random_prompts(size: Size, vocab_size: int, count: int) -> list[list[int]]:
    """Prompts of token numbers; the first has `prompt_tokens`, every other a few less than the last."""
    source = torch.Generator().manual_seed(5)
    lengths = [size.prompt_tokens - 3 * number for number in range(count)]
    return [torch.randint(8, vocab_size, (length,), generator=source).tolist() for length in lengths]


def our_step(decoder: Decoder, size: Size, batch: int, way: str) -> Callable[[], object]:
    """One more token for every sequence, up to the choice of the next."""
    steps = WARM_UPS + size.repeats
    runner = DecoderRunner(decoder, batch * (size.prompt_tokens + steps + 64) + 64, prefix_bytes=0)
    choose_way(runner, way)
    (prompt,) = random_prompts(size, decoder.config.vocab_size, 1)
    sequences = [runner.prefill(prompt, lambda: False)[0] for _ in range(batch)]

    def step() -> object:
        scores = runner.extend(sequences, [[7]] * batch, only_best=True)
        return [scores.best(row) for row in range(batch)]

    return step


def their_step(theirs: Any, size: Size, batch: int) -> Callable[[], object]:
    """The same in `transformers`."""
    (prompt,) = random_prompts(size, theirs.config.vocab_size, 1)
    tokens = torch.tensor([prompt] * batch, device=size.device)
    with torch.inference_mode():
        past = theirs(tokens, use_cache=True, logits_to_keep=1).past_key_values
    new = torch.full((batch, 1), 7, device=size.device)

    def step() -> object:
        with torch.inference_mode():
            logits = theirs(new, past_key_values=past, use_cache=True, logits_to_keep=1).logits
            return logits[:, -1].argmax(dim=-1).tolist()

    return step


def step_row(kind: str, size: Size, batch: int, way: str, bytes_per_s: float) -> Row:
    """A decode step behind `prompt_tokens` tokens."""
    theirs, ours = decoders(kind, size)
    steps = our_step(ours, size, batch, way), their_step(theirs, size, batch)
    ours_ms, peer_ms = median_ms(size.device, *steps, repeats=size.repeats)
    config = ours.config
    numbers = 2 * config.layers * config.key_value_heads * config.head_width  # a token in the cache
    cached = batch * size.prompt_tokens * numbers * ours.embedding.weight.itemsize
    moved = sum(each.nbytes for each in ours.parameters()) + cached
    share = f"{moved / ours_ms * 1e3 / bytes_per_s:.0%} of bandwidth"
    return Row(
        f"step, {kind}, {batch} x {size.prompt_tokens}, {way}", ours_ms, "transformers", peer_ms, share
    )


def step_cases(kind: str, size: Size, bytes_per_s: float, ways: Sequence[str] = WAYS) -> Iterator[Case]:
    """Every batch and way."""
    for batch in size.batches:
        for way in ways:
            name = f"step, {kind}, {batch} x {size.prompt_tokens}, {way}"
            yield name, partial(step_row, kind, size, batch, way, bytes_per_s)


class NumberTokenizer:
    """A token spells its number, and none ends an answer."""

    id = "numbers"
    special = SpecialTokens(begin=None, end=frozenset(), control=frozenset())

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size

    def token_bytes(self, token: int) -> bytes:
        return b"%d " % token


@dataclass(frozen=True)
class Answers:
    """The same prompts answered together and one after another."""

    together_ms: float  # a token
    alone_ms: float
    texts: list[str]


@cache
def answers(size: Size, gguf: Path | None, way: str) -> Answers:
    """Greedy answers whose prompts are known already: what is timed is almost only decoding."""
    from model.generator import DecodingOptions, Generator

    decoder, prompts = answering_decoder(size, gguf)
    vocab_size = decoder.config.vocab_size
    generator = Generator("bench", decoder, cast(DecoderTokenizer, NumberTokenizer(vocab_size)))
    choose_way(generator.runner, way)
    options = DecodingOptions(max_new_tokens=size.new_tokens)
    for together in (prompts, prompts[:1]):  # reads the prompts, compiles, captures every shape
        generator.generate_batch(together, options)
    begin = time.perf_counter()
    texts = generator.generate_batch(prompts, options)
    between = time.perf_counter()
    alone = prompts[: size.answers if way == "graphs" else 2]  # the others take seconds each
    for prompt in alone:
        generator.generate_batch([prompt], options)
    end = time.perf_counter()
    together_ms = (between - begin) * 1e3 / size.answers / size.new_tokens
    return Answers(together_ms, (end - between) * 1e3 / len(alone) / size.new_tokens, texts)


@cache
def answering_decoder(size: Size, gguf: Path | None) -> tuple[Decoder, list[list[int]]]:
    """The file's weights and prompts of real text, or the random weights of the steps and random prompts."""
    if gguf is not None:
        try:
            return from_file(size, gguf)
        except Exception as error:  # noqa: BLE001 - the rows are worth having with other weights
            print(f"answers are of random weights: {error!r}", flush=True)
    decoder = decoders("Gemma 3 270M", size)[1]
    return decoder, random_prompts(size, decoder.config.vocab_size, size.answers)


def from_file(size: Size, gguf: Path) -> tuple[Decoder, list[list[int]]]:
    """The file's decoder, and prompts that begin at different places of one text."""
    from model.gguf_decoder import GGUFFile, load_gguf_decoder
    from model.gguf_tokenizer import load_gguf_tokenizer

    file = GGUFFile(gguf)
    text = load_gguf_tokenizer(file).encode(TEXT.read_text())
    starts = range(0, 100 * size.answers, 100)
    prompts = [text[start : start + size.prompt_tokens - start // 10] for start in starts]
    return load_gguf_decoder(file, dtype=size.dtype, device=torch.device(size.device)), prompts


def answer_cases(size: Size, gguf: Path | None) -> Iterator[Case]:
    """Milliseconds a token, over all answers; texts are compared with those of gathered blocks."""
    of = partial(answers, size, gguf)

    def together(way: str) -> Row:
        ours, peer = of(way), of("gather")
        same = sum(mine == other for mine, other in zip(ours.texts, peer.texts, strict=True))
        limit = f"{1e3 / ours.together_ms:.0f} tokens/s, {same} of {size.answers} texts the same"
        return Row(f"{size.answers} answers, {way}", ours.together_ms, "gathered", peer.together_ms, limit)

    def alone(way: str) -> Row:
        ours, peer = of(way), of("gather")
        limit = f"{1e3 / ours.alone_ms:.0f} tokens/s"
        return Row(f"1 answer, {way}", ours.alone_ms, "gathered", peer.alone_ms, limit)

    def against_alone(way: str) -> Row:
        ours = of(way)
        limit = f"{1e3 / ours.together_ms:.0f} tokens/s"
        what = f"{size.answers} answers, {way}"
        return Row(what, ours.together_ms, "one after another", ours.alone_ms, limit)

    yield "answers, graphs, against alone", partial(against_alone, "graphs")
    yield "answers, gathered, against alone", partial(against_alone, "gather")
    yield "1 answer, graphs", partial(alone, "graphs")
    yield "answers, graphs", partial(together, "graphs")
    yield "answers, paged", partial(together, "paged")
