"""Generation with a tiny random decoder over bytes: streaming, stopping, beams, batches, limits."""

from __future__ import annotations

import itertools

import pytest
import torch

from model.generator import ContextOverflow, DecodingOptions, Generator, Segments
from model.scheduler import MAX_RUNNING
from tests.model.tiny_decoders import VOCAB_SIZE, byte_tokenizer, load_tiny

PROMPT = [256, *b"Question: what is a footnote?"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    decoder = load_tiny("gemma3", tmp_path_factory.mktemp("tiny"))
    return Generator("tiny", decoder, byte_tokenizer(), context_tokens=256)


@pytest.fixture(autouse=True)
def cache_is_given_back(tiny):
    free_before = tiny.runner.cache.free_tokens
    yield
    tiny.runner.cache.check_integrity()
    assert tiny.runner.cache.free_tokens == free_before


def tokens_of(pieces):
    return [piece.token_id for piece in pieces]


@torch.inference_mode()
def uncached_greedy(generator, prompt, steps):
    tokens = list(prompt)
    for _ in range(steps):
        tokens.append(int(generator.runner.decoder(torch.tensor([tokens]))[0, -1].argmax()))
    return tokens[len(prompt) :]


def test_greedy_generation_equals_the_uncached_model(tiny):
    pieces = list(tiny.generate(PROMPT, DecodingOptions(24)))
    assert tokens_of(pieces) == uncached_greedy(tiny, PROMPT, 24)
    assert [piece.finish_reason for piece in pieces[-2:]] == [None, "length"]


def test_a_text_prompt_is_encoded_with_the_begin_token(tiny):
    options = DecodingOptions(8)
    assert list(tiny.generate("abc", options)) == list(tiny.generate([256, *b"abc"], options))


def test_given_tokens_are_weighed_as_if_they_were_written(tiny):
    pieces = list(tiny.generate(PROMPT, DecodingOptions(9)))
    weighed = tiny.logprobs(PROMPT, tokens_of(pieces))
    assert weighed == pytest.approx([piece.logprob for piece in pieces], abs=1e-4)
    assert tiny.logprobs(PROMPT, tokens_of(pieces)[:1]) == pytest.approx(weighed[:1], abs=1e-4)
    assert sum(tiny.logprobs(PROMPT, [7, 7, 7])) < sum(weighed[:3])
    with pytest.raises(ValueError, match="no tokens"):
        tiny.logprobs(PROMPT, [])
    with pytest.raises(ContextOverflow):
        tiny.logprobs(PROMPT, [7] * 300)


def test_log_probabilities_are_the_models_own(tiny):
    (piece,) = tiny.generate(PROMPT, DecodingOptions(1, temperature=3.0, top_k=5, seed=4))
    with torch.inference_mode():
        logprobs = tiny.runner.decoder(torch.tensor([PROMPT]))[0, -1].log_softmax(dim=-1)
    assert piece.logprob == pytest.approx(float(logprobs[piece.token_id]), abs=1e-4)


def test_a_seed_fixes_the_answer(tiny):
    first, again, other = (
        tokens_of(tiny.generate(PROMPT, DecodingOptions(24, temperature=1.5, seed=seed)))
        for seed in (1, 1, 2)
    )
    assert first == again != other


def test_a_stop_text_ends_generation_before_it(tiny):
    whole = "".join(piece.text for piece in tiny.generate(PROMPT, DecodingOptions(40)))
    stop = whole[10:13]
    pieces = list(tiny.generate(PROMPT, DecodingOptions(40, stop=(stop,))))
    assert "".join(piece.text for piece in pieces) == whole[: whole.index(stop)]
    assert pieces[-1].finish_reason == "stop"


def test_an_end_token_ends_generation(tiny, monkeypatch):
    tokens = tokens_of(tiny.generate(PROMPT, DecodingOptions(6)))
    special = tiny.tokenizer.special
    ended = type(special)(special.begin, frozenset({tokens[4]}), special.control)
    monkeypatch.setattr(tiny.tokenizer, "special", ended)
    pieces = list(tiny.generate(PROMPT, DecodingOptions(40)))
    assert tokens_of(pieces) == tokens[: tokens.index(tokens[4]) + 1]
    assert pieces[-1].finish_reason == "end"


def test_only_allowed_markers_are_written(tiny):
    def answers(markers):
        for seed in range(8):
            options = DecodingOptions(150, temperature=20.0, seed=seed, markers=markers)
            yield bytes(token for token in tokens_of(tiny.generate(PROMPT, options)) if token < 256)

    rests = [
        answer[at:] for answer in answers(("[1]", "[12]")) for at in range(len(answer)) if answer[at] == 91
    ]
    assert rests
    assert all(rest.startswith((b"[1]", b"[12]")) or b"[12]".startswith(rest) for rest in rests)
    assert not any(b"[" in answer for answer in answers(()))


def test_cancelling_stops_between_tokens_and_before_prefill(tiny):
    calls = itertools.count()
    pieces = list(tiny.generate(PROMPT, DecodingOptions(40), cancelled=lambda: next(calls) >= 3))
    assert len(pieces) == 3
    assert pieces[-1].finish_reason is None
    assert list(tiny.generate(PROMPT, DecodingOptions(4), cancelled=lambda: True)) == []
    assert list(tiny.generate(PROMPT, DecodingOptions(4, beams=2), cancelled=lambda: True)) == []


def test_a_reader_who_walks_away_frees_the_cache(tiny):
    pieces = tiny.generate(PROMPT, DecodingOptions(40))
    next(pieces)
    pieces.close()


def test_two_readers_in_one_thread_share_the_steps_and_miss_nothing(tiny):
    """One is read to its end while the other, which runs along, is not looked at."""
    prompts = [PROMPT, PROMPT[:9]]
    expected = [list(tiny.generate(prompt, DecodingOptions(12))) for prompt in prompts]
    first, second = (tiny.generate(prompt, DecodingOptions(12)) for prompt in prompts)
    start = next(second)
    assert tokens_of(first) == tokens_of(expected[0])
    assert tokens_of([start, *second]) == tokens_of(expected[1])


def test_a_batch_that_fails_raises_and_frees_the_cache(tiny, monkeypatch):
    def fail(*_, **__):
        raise MemoryError("no memory")

    monkeypatch.setattr(tiny.runner, "extend", fail)
    with pytest.raises(MemoryError):
        tiny.generate_batch([PROMPT, PROMPT[:9]], DecodingOptions(4))
    with pytest.raises(MemoryError):
        list(tiny.generate(PROMPT, DecodingOptions(4)))


@pytest.mark.parametrize("options", [DecodingOptions(20), DecodingOptions(20, temperature=1.0, seed=3)])
def test_a_batch_of_unequal_prompts_equals_single_answers(tiny, options):
    prompts = [PROMPT[: 1 + length % len(PROMPT)] for length in range(0, 7 * (MAX_RUNNING + 1), 7)]
    single = ["".join(piece.text for piece in tiny.generate(prompt, options)) for prompt in prompts]
    assert tiny.generate_batch(prompts, options) == single


def test_a_batch_searches_beams_one_prompt_at_a_time(tiny):
    options = DecodingOptions(5, beams=3)
    expected = "".join(piece.text for piece in tiny.generate(PROMPT, options))
    assert tiny.generate_batch([PROMPT, PROMPT], options) == [expected, expected]


@torch.inference_mode()
def test_two_steps_of_beam_search_find_the_most_probable_pair(tiny):
    """Sixteen beams keep the sixteen best first tokens, so the second step is exhaustive among them."""
    best = list(tiny.generate(PROMPT, DecodingOptions(2, beams=16)))
    decoder = tiny.runner.decoder
    first = decoder(torch.tensor([PROMPT]))[0, -1].log_softmax(dim=-1).topk(16)
    second = decoder(torch.tensor([[*PROMPT, token] for token in first.indices.tolist()]))[:, -1]
    totals = first.values[:, None] + second.log_softmax(dim=-1)
    row, token = divmod(int(totals.argmax()), VOCAB_SIZE)
    assert tokens_of(best) == [int(first.indices[row]), token]
    assert sum(piece.logprob for piece in best) == pytest.approx(float(totals.max()), abs=1e-3)


def test_beams_are_at_least_as_probable_as_greedy(tiny):
    def total(options):
        return sum(piece.logprob for piece in tiny.generate(PROMPT, options))

    assert total(DecodingOptions(12, beams=4)) >= total(DecodingOptions(12)) - 1e-4


def test_beams_respect_markers_stops_and_the_penalty(tiny):
    whole = "".join(piece.text for piece in tiny.generate(PROMPT, DecodingOptions(12, beams=3)))
    options = DecodingOptions(12, beams=3, stop=(whole[2],), markers=(), repetition_penalty=1.2)
    pieces = list(tiny.generate(PROMPT, options))
    assert whole[2] not in "".join(piece.text for piece in pieces)
    assert pieces[-1].finish_reason in ("stop", "length")


def test_a_prompt_over_the_context_is_refused_at_once(tiny):
    with pytest.raises(
        ContextOverflow, match="250 prompt and 7 new tokens exceed the context of 256"
    ) as error:
        tiny.generate([1] * 250, DecodingOptions(7))
    assert (error.value.prompt_tokens, error.value.context_tokens) == (250, 256)
    assert len(list(tiny.generate([1] * 250, DecodingOptions(6)))) == 6


def test_beams_are_not_for_the_scheduler(tiny):
    with pytest.raises(ValueError, match="does not search beams"):
        tiny.prepare(PROMPT, DecodingOptions(1, beams=2))


@pytest.mark.parametrize("prompt", [[], [VOCAB_SIZE], [-1], Segments(("a", ""), "block")])
def test_prompts_that_are_no_tokens_are_refused(tiny, prompt):
    with pytest.raises(ValueError, match="needs one token or more"):
        tiny.generate(prompt, DecodingOptions(1))
