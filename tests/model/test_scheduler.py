"""Many answers at once: room, order, cancellation and failure, counted in steps on a tiny decoder."""

from __future__ import annotations

import pytest

from model.decoder_runner import DecoderRunner
from model.decoder_tokenizer import PromptTokens
from model.generator import DecodingOptions, Generator
from model.kv_cache import BLOCK_TOKENS, CacheFull
from model.sampling import DecodingOptions as Options
from model.scheduler import MAX_OVERTAKEN, MAX_PASSED_OVER, Job, Scheduler
from model.writer import Writer
from tests.model.tiny_decoders import byte_tokenizer, load_tiny

STEP_TOKENS = 32


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    return load_tiny("qwen2", tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def runner(decoder):
    """Room for eight blocks; all of them come back, whatever a test does."""
    runner = DecoderRunner(decoder, 8 * BLOCK_TOKENS)
    yield runner
    runner.cache.check_integrity()
    assert runner.cache.free_blocks == 8


@pytest.fixture
def scheduler(runner):
    return Scheduler(runner, step_tokens=STEP_TOKENS, max_running=8)


class Reader:
    """Keeps what it is handed, and when."""

    def __init__(self):
        self.tokens = []
        self.first_step = None  # the step that brought the first piece
        self.ended = self.gone = False
        self.error = None
        self.now = 0

    def put(self, piece):
        self.first_step = self.first_step or self.now
        self.tokens.append(piece.token_id)

    def end(self, error=None):
        assert not self.ended
        self.ended, self.error = True, error

    def cancelled(self):
        return self.gone


def job(runner, prompt, new_tokens=4, **options):
    prompt = prompt if isinstance(prompt, PromptTokens) else PromptTokens([prompt])
    decoding = Options(new_tokens, **options)
    return Job(prompt, Writer(prompt.all, decoding, byte_tokenizer(), None, runner.device))


def submit(scheduler, runner, prompt, new_tokens=4, **options):
    reader = Reader()
    scheduler.submit(job(runner, prompt, new_tokens, **options), reader)
    return reader


def run(scheduler, *readers, steps=10_000):
    """Step until nothing is left, or so many times; returns the steps made."""
    for step in range(1, steps + 1):
        for reader in readers:
            reader.now = step
        if not scheduler.step():
            return step
    return steps


def text(length, first=0):
    return [(first + place * 7) % 250 for place in range(length)]


def alone(decoder, prompt, new_tokens, **options):
    generator = Generator("alone", decoder, byte_tokenizer(), context_tokens=512)
    pieces = generator.generate(prompt, DecodingOptions(new_tokens, **options))
    return [piece.token_id for piece in pieces]


def test_answers_together_equal_answers_alone(decoder, runner, scheduler):
    """They arrive at different times, have different lengths, some draft and some sample."""
    cases = [
        (text(5), 9, {}),
        (text(40, 3) * 2, 12, {"prompt_lookup": 4}),
        (text(3, 9), 6, {"temperature": 1.0, "seed": 3}),
        (text(70, 1), 5, {"temperature": 0.5, "prompt_lookup": 6}),
    ]
    readers = []
    for prompt, new_tokens, options in cases:
        readers.append(submit(scheduler, runner, prompt, new_tokens, **options))
        run(scheduler, steps=2)
    run(scheduler)
    for reader, (prompt, new_tokens, options) in zip(readers, cases, strict=True):
        assert reader.tokens == alone(decoder, prompt, new_tokens, **options)
        assert reader.ended
        assert reader.error is None


def test_running_answers_get_a_token_every_step_while_a_long_prompt_is_read(runner, scheduler):
    answer = submit(scheduler, runner, text(4), 20)
    run(scheduler, steps=1)
    long = submit(scheduler, runner, text(9 * STEP_TOKENS), 2)
    for count in range(2, 10):
        run(scheduler, steps=1)
        assert len(answer.tokens) == count
        assert not long.tokens
    run(scheduler)


def test_a_long_prompt_does_not_hold_up_a_short_one(runner, scheduler):
    """Alone a short prompt has its first token after one step; behind a long one, after two at most."""
    long = submit(scheduler, runner, text(10 * STEP_TOKENS), 2)
    run(scheduler, steps=2)
    short = submit(scheduler, runner, text(STEP_TOKENS // 2, 5), 2)
    run(scheduler, long, short)
    assert short.first_step <= 2
    assert long.first_step >= 8


def test_short_prompts_do_not_starve_a_long_one(runner, scheduler):
    long = submit(scheduler, runner, text(3 * STEP_TOKENS), 1)
    steps = 0
    while not long.tokens:
        submit(scheduler, runner, text(STEP_TOKENS), 1)
        run(scheduler, steps=1)
        steps += 1
        assert steps <= 4 * (MAX_PASSED_OVER + 1)
    run(scheduler)


def test_prompts_share_the_budget_of_a_step(runner, scheduler):
    readers = [submit(scheduler, runner, text(STEP_TOKENS // 4, first), 1) for first in range(4)]
    run(scheduler, steps=1)
    assert all(reader.ended for reader in readers)


def test_a_cancelled_request_is_gone_after_one_step(runner, scheduler):
    """Waiting, in prefill or decoding: its blocks are free, it is told, and the others go on."""
    decoding = submit(scheduler, runner, text(4), 50)
    run(scheduler, steps=2)
    other = submit(scheduler, runner, text(4, 1), 6)
    prefilling = submit(scheduler, runner, text(4 * STEP_TOKENS), 4)
    waiting = submit(scheduler, runner, text(6 * BLOCK_TOKENS), 4)
    run(scheduler, steps=1)
    assert (scheduler.state.running, scheduler.state.waiting) == (3, 1)
    had = len(decoding.tokens)
    for reader in (decoding, prefilling, waiting):
        reader.gone = True
    run(scheduler, steps=1)
    assert (scheduler.state.running, scheduler.state.waiting) == (1, 0)
    assert runner.cache.free_blocks == 7
    assert len(decoding.tokens) == had
    assert all(reader.ended and reader.error is None for reader in (decoding, prefilling, waiting))
    run(scheduler)
    assert len(other.tokens) == 6


def test_what_is_withdrawn_frees_its_blocks_at_once_and_hears_nothing(runner, scheduler):
    running, waiting = (submit(scheduler, runner, text(5 * BLOCK_TOKENS), 4) for _ in range(2))
    run(scheduler, steps=1)
    for reader in (waiting, running, waiting):
        scheduler.withdraw(reader)
    assert runner.cache.free_blocks == 8
    assert not running.ended
    assert not waiting.ended
    assert scheduler.step() is False


def test_a_request_waits_for_room_and_then_runs(decoder, runner, scheduler):
    prompts = [text(3 * BLOCK_TOKENS, first) for first in range(3)]
    *_, third = (submit(scheduler, runner, prompt, BLOCK_TOKENS // 2) for prompt in prompts)
    run(scheduler, steps=30)
    assert (scheduler.state.running, scheduler.state.waiting) == (2, 1)
    assert not third.ended
    run(scheduler)
    assert third.error is None
    assert third.tokens == alone(decoder, prompts[2], BLOCK_TOKENS // 2)


def test_a_small_request_passes_one_that_waits_for_room_but_not_forever(runner, scheduler):
    running = submit(scheduler, runner, text(2 * BLOCK_TOKENS), 4 * BLOCK_TOKENS)
    run(scheduler, steps=1)
    large = submit(scheduler, runner, text(5 * BLOCK_TOKENS), 1)
    small = submit(scheduler, runner, text(4), 1)
    run(scheduler, steps=1)
    assert small.ended
    assert scheduler.state.waiting == 1
    passed = [submit(scheduler, runner, text(4), 1) for _ in range(MAX_OVERTAKEN)]
    run(scheduler, steps=MAX_OVERTAKEN)
    assert [reader.ended for reader in passed] == [True] * (MAX_OVERTAKEN - 1) + [False]
    running.gone = True
    run(scheduler)
    assert large.ended
    assert passed[-1].ended


def test_what_can_never_fit_is_refused_at_once(runner, scheduler):
    with pytest.raises(CacheFull, match="9 cache blocks needed, there are 8"):
        submit(scheduler, runner, text(8 * BLOCK_TOKENS), 1)
    assert scheduler.step() is False


def test_blocks_held_by_others_fail_a_request_that_would_wait_forever(runner, scheduler):
    foreign, _ = runner.prefill(text(4 * BLOCK_TOKENS), lambda: False)
    large, small = (submit(scheduler, runner, text(count * BLOCK_TOKENS - 1), 1) for count in (5, 1))
    run(scheduler)
    assert isinstance(large.error, CacheFull)
    assert small.error is None
    assert len(small.tokens) == 1
    runner.cache.close(foreign)


def test_no_more_than_the_bound_run(runner):
    scheduler = Scheduler(runner, step_tokens=STEP_TOKENS, max_running=2)
    readers = [submit(scheduler, runner, text(3), 3) for _ in range(5)]
    run(scheduler, steps=1)
    assert (scheduler.state.running, scheduler.state.waiting) == (2, 3)
    run(scheduler)
    assert [len(reader.tokens) for reader in readers] == [3] * 5


def test_a_step_that_would_never_read_a_prompt_is_refused(runner):
    with pytest.raises(ValueError, match="too few for 16 running"):
        Scheduler(runner, step_tokens=32, max_running=16)


def test_a_failed_pass_ends_those_who_were_in_it(runner, scheduler, monkeypatch):
    decoding = submit(scheduler, runner, text(4), 50)
    run(scheduler, steps=2)
    reading = submit(scheduler, runner, text(4), 2)

    def fail(*_, **__):
        raise MemoryError("no memory")

    monkeypatch.setattr(runner, "extend", fail)
    run(scheduler, steps=1)
    assert isinstance(decoding.error, MemoryError)
    assert reading.tokens
    monkeypatch.undo()
    run(scheduler)
    assert (len(reading.tokens), reading.error) == (2, None)


def test_a_failed_prompt_or_choice_ends_only_its_own_request(runner, scheduler):
    good = submit(scheduler, runner, text(4), 4)
    beyond_vocabulary = submit(scheduler, runner, [100_000], 4)
    broken = job(runner, text(4), 4)
    broken.writer._sampler.choose = None
    choosing = Reader()
    scheduler.submit(broken, choosing)
    run(scheduler)
    assert isinstance(beyond_vocabulary.error, IndexError)
    assert isinstance(choosing.error, TypeError)
    assert len(good.tokens) == 4


def test_stitched_prompts_run_among_plain_ones(decoder, runner, scheduler):
    """Passages are read one after another between the steps, once, and the answer is that of `read`."""
    parts = [text(6), text(20, 1), text(25, 2), text(9, 3)]
    stitched = PromptTokens(parts, "block")
    plain = submit(scheduler, runner, text(5), 12)
    first = submit(scheduler, runner, stitched, 6)
    run(scheduler, plain, first, steps=1)
    assert plain.tokens
    assert not first.tokens
    run(scheduler)
    second = submit(scheduler, runner, stitched, 6)
    run(scheduler, second)
    assert second.first_step == 1  # only the question was left to compute
    assert (runner.passages.misses, runner.passages.hits) == (3, 3)
    sequence, logits = DecoderRunner(decoder, 512).read(stitched, lambda: False)
    assert first.tokens == second.tokens
    assert first.tokens[0] == int(logits.argmax())
    assert sequence.length_tokens == sum(map(len, parts))
