"""A prompt's chunk that stops between two layers: the same bits, the right order, and nothing left behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor

from model.decoder import Decoder, DecoderPass
from model.decoder_runner import DecoderRunner, Prefill
from model.decoder_tokenizer import PromptTokens
from model.forward_pass import Interrupt
from model.generator import never
from model.kv_cache import BLOCK_TOKENS
from model.native.decoder import NativeDecoder
from model.native.decoder_pass import NativePass
from model.native.library import NativeUnavailable, check_processor
from model.scheduler import MAX_PASSED_OVER, Scheduler
from tests.model.test_native import CONFIGS, computing_in, random_decoder
from tests.model.test_scheduler import Reader, job, run, submit, text

STEP_TOKENS = 96
BLOCKS = 16
LAYERS = 4
CONFIG = replace(CONFIGS["gemma"], vocab_size=256)  # bytes, and no end token


@pytest.fixture(params=["plain", "native", "native-bfloat16"])
def make_runner(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """Builds runners that compute alike: by blocks, by native layers, and by those over packed spans."""
    decoder: Decoder = random_decoder(CONFIG)
    if request.param == "plain":
        return partial(DecoderRunner, decoder, BLOCKS * BLOCK_TOKENS)
    try:
        check_processor()
    except NativeUnavailable as reason:
        pytest.skip(str(reason))
    dtype = torch.bfloat16 if request.param.endswith("bfloat16") else torch.float32
    folder: Path = tmp_path_factory.getbasetemp() / "native"  # built once
    native = NativeDecoder(computing_in(decoder, dtype), folder)
    return partial(DecoderRunner, decoder, BLOCKS * BLOCK_TOKENS, native=native)


@pytest.fixture
def runner(make_runner) -> Iterator[DecoderRunner]:
    runner = make_runner()
    yield runner
    runner.cache.check_integrity()
    assert runner.cache.free_blocks == BLOCKS


@pytest.fixture
def scheduler(runner: DecoderRunner) -> Scheduler:
    return Scheduler(runner, step_tokens=STEP_TOKENS, max_running=8)


@pytest.fixture
def interrupt() -> Interrupt:
    """Set: every step and every pass ends after one layer of a prompt."""
    interrupt = Interrupt()
    interrupt.set()
    return interrupt


def read(runner: DecoderRunner, prompt: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, keys and values of a prompt that nobody disturbs, in the scheduler's chunks."""
    prefill = Prefill(runner, PromptTokens([prompt]))
    while prefill.logits is None:
        prefill.advance(STEP_TOKENS)
    return contents(runner, prefill)


def contents(runner: DecoderRunner, prefill: Prefill) -> tuple[Tensor, Tensor, Tensor]:
    found = runner.cache.read(prefill.sequence, 0)
    runner.cache.close(prefill.sequence)
    assert prefill.logits is not None
    return (prefill.logits, *found)


def test_stopped_at_every_layer_a_prompt_has_the_same_logits_keys_and_values(make_runner, interrupt) -> None:
    """Another prompt is read in the pauses, and others are decoded."""
    prompt = text(2 * STEP_TOKENS + 30)
    wanted = read(make_runner(), prompt)
    runner = make_runner()
    beside, _ = runner.prefill(text(70, 9), never)
    prefill = Prefill(runner, PromptTokens([prompt]))
    advances = 0
    while prefill.logits is None:
        prefill.advance(STEP_TOKENS, interrupt)
        runner.extend([beside], [[advances]])
        runner.cache.close(runner.prefill(text(20, advances), never)[0])
        advances += 1
    assert advances == 3 * LAYERS
    for one, other in zip(contents(runner, prefill), wanted, strict=True):
        assert torch.equal(one, other)
    runner.cache.close(beside)
    runner.cache.check_integrity()


def test_what_is_computed_adds_up(runner, interrupt) -> None:
    prefill = Prefill(runner, PromptTokens([text(STEP_TOKENS + 7)]))
    computed = []
    while prefill.logits is None:
        left = prefill.remaining_tokens
        computed.append(prefill.advance(STEP_TOKENS, interrupt))
        assert prefill.remaining_tokens == left - computed[-1]
    assert computed[:LAYERS] == [STEP_TOKENS // LAYERS] * LAYERS
    assert sum(computed) == STEP_TOKENS + 7
    runner.cache.close(prefill.sequence)


def test_answers_are_the_same_with_and_without_interruptions(make_runner, interrupt) -> None:
    cases = [(text(200), 6), (text(30, 5), 9), (text(3, 2), 12), (text(150, 8), 3)]
    answers = []
    for asked in (None, interrupt):
        runner = make_runner()
        scheduler = Scheduler(runner, step_tokens=STEP_TOKENS, max_running=8)
        readers = []
        for prompt, new_tokens in cases:
            readers.append(submit(scheduler, runner, prompt, new_tokens))
            scheduler.step(asked)
            scheduler.step(asked)
        while scheduler.step(asked):
            pass
        answers.append([reader.tokens for reader in readers])
    assert answers[0] == answers[1]
    assert [len(tokens) for tokens in answers[0]] == [6, 9, 12, 3]


def test_a_short_prompt_has_its_first_token_before_the_chunk_under_way_is_done(
    runner, scheduler, interrupt
) -> None:
    long = submit(scheduler, runner, text(STEP_TOKENS), 1)
    scheduler.step(interrupt)
    short = submit(scheduler, runner, text(8, 3), 1)
    for _ in range(LAYERS):
        scheduler.step(interrupt)
    assert short.ended
    assert not long.tokens
    for _ in range(LAYERS - 1):
        assert not long.tokens
        scheduler.step(interrupt)
    assert long.ended


def test_without_further_arrivals_a_stopped_chunk_is_done_in_the_step_of_the_short_one(
    runner, scheduler, interrupt
) -> None:
    long = submit(scheduler, runner, text(STEP_TOKENS), 1)
    scheduler.step(interrupt)
    short = submit(scheduler, runner, text(8, 3), 1)
    interrupt.clear()
    run(scheduler, long, short)
    assert (short.first_step, long.first_step) == (1, 1)


def test_one_that_is_done_later_does_not_overtake_a_stopped_one(runner, scheduler, interrupt) -> None:
    first = submit(scheduler, runner, text(80), 1)
    for _ in range(2):
        scheduler.step(interrupt)
    longer = submit(scheduler, runner, text(41, 3), 1)  # 40 tokens are left of the other one
    for _ in range(2):
        scheduler.step(interrupt)
    assert first.ended
    assert not longer.tokens
    run(scheduler)


def test_a_flow_of_short_prompts_does_not_stop_a_long_one_for_good(runner, scheduler, interrupt) -> None:
    long = submit(scheduler, runner, text(2 * STEP_TOKENS), 1)
    steps = 0
    while not long.tokens:
        if scheduler.state.running < 4:
            submit(scheduler, runner, text(8, steps), 1)
        scheduler.step(interrupt)
        steps += 1
        assert steps <= 2 * LAYERS * (MAX_PASSED_OVER + 1)
    assert steps > 2 * LAYERS
    run(scheduler)


@pytest.mark.parametrize("how", ["cancelled", "withdrawn", "failed"])
def test_a_stopped_prompt_that_ends_early_leaves_nothing_behind(
    runner, scheduler, interrupt, how, monkeypatch
) -> None:
    """The fixture counts the blocks; the others go on."""
    other = submit(scheduler, runner, text(60, 5), 40)
    while not other.tokens:
        scheduler.step(interrupt)
    long = submit(scheduler, runner, text(3 * STEP_TOKENS), 4)
    scheduler.step(interrupt)
    held = runner.cache.free_blocks
    if how == "withdrawn":
        scheduler.withdraw(long)
    elif how == "cancelled":
        long.gone = True
        scheduler.step(interrupt)
    else:
        kind = DecoderPass if runner.native is None else NativePass
        plain = kind.run  # what is decoded is not interrupted and goes on
        monkeypatch.setattr(kind, "run", lambda self, asked=None: fail() if asked else plain(self))
        scheduler.step(interrupt)
        monkeypatch.undo()
    assert runner.cache.free_blocks > held
    assert long.ended == (how != "withdrawn")
    assert isinstance(long.error, MemoryError) == (how == "failed")
    run(scheduler)
    assert (len(other.tokens), other.error) == (40, None)
    assert runner.cache.free_blocks == BLOCKS
    again = Reader()
    scheduler.submit(job(runner, text(3 * STEP_TOKENS), 1), again)
    run(scheduler)
    assert len(again.tokens) == 1


def fail() -> bool:
    raise MemoryError("no memory")


def test_a_new_passage_is_read_whole_and_the_step_ends_behind_it(runner, scheduler, interrupt) -> None:
    stitched = PromptTokens([text(6), text(20, 1), text(9, 3)], "block")
    reader = submit(scheduler, runner, stitched, 1)
    for misses in (1, 2):
        scheduler.step(interrupt)
        assert runner.passages.misses == misses
    for _ in range(LAYERS):
        assert not reader.tokens
        scheduler.step(interrupt)
    assert reader.ended
