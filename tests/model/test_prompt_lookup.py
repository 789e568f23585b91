"""Drafts from the prompt: what is found, how eagerly, and that the text never depends on it."""

from __future__ import annotations

import random

import pytest
import torch

from model.constraints import MarkerConstraint, TokenTexts
from model.decoder_runner import DecoderRunner
from model.generator import DecodingOptions, Generator
from model.prompt_lookup import MAX_PAUSE_STEPS, NgramIndex, PromptLookup
from model.scores import Scores
from model.writer import Writer
from tests.model.tiny_decoders import END, byte_tokenizer, load_tiny

CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=["gemma3", "qwen2-window"])
def tiny(request, tmp_path_factory):
    decoder = load_tiny(request.param, tmp_path_factory.mktemp("tiny"))
    return Generator("tiny", decoder, byte_tokenizer(), context_tokens=512)


def test_the_longest_match_wins_and_among_equals_the_latest():
    index = NgramIndex(b"abcX..bcY..abc")
    assert bytes(index.following(1)) == b"X"
    index = NgramIndex(b"bcX..bcY..abc")
    assert bytes(index.following(3)) == b"Y.."


def test_the_end_of_the_text_does_not_find_itself():
    assert NgramIndex(b"abcd").following(4) == []
    assert NgramIndex(b"").following(4) == []


def test_a_text_that_goes_round_is_drafted_round():
    assert bytes(NgramIndex(b"xabab").following(5)) == b"ababa"


def test_what_is_appended_is_found_like_the_prompt():
    index = NgramIndex(b"k")
    for token in b"one two one":
        index.append(token)
    assert bytes(index.following(4)) == b" two"


def test_drafts_grow_with_success():
    lookup = PromptLookup(b"0123456789" * 2, 8)
    assert len(lookup.draft(99)) == 4
    lookup.settle(4, 4)
    assert len(lookup.draft(99)) == 8
    lookup.settle(8, 1)
    assert len(lookup.draft(99)) == 2
    assert len(lookup.draft(1)) == 1
    assert lookup.draft(0) == lookup.draft(-1) == []


def test_a_hopeless_text_is_seldom_drafted():
    lookup = PromptLookup(b"ab" * 9, 8)
    tokens = []
    for _ in range(100):
        draft = lookup.draft(99)
        lookup.settle(len(draft), 0)
        tokens.append(len(draft))
    assert sum(tokens) <= 30
    assert max(tokens[1:]) == 1
    assert any(tokens[-1 - MAX_PAUSE_STEPS :])  # but never given up
    lookup.settle(1, 1)
    assert len(lookup.draft(99)) == 2


def random_case(seed):
    """A prompt that repeats some of itself, and options of every kind."""
    choose = random.Random(seed)
    words = [bytes(choose.choices(b"abcdefgh [1]2.", k=choose.randint(1, 6))) for _ in range(6)]
    prompt = [256, *b"".join(choose.choices(words, k=choose.randint(3, 25)))]
    options = {
        "max_new_tokens": choose.randint(1, 30),
        "repetition_penalty": choose.choice([1.0, 1.0, 1.1]),
        "first_token_bias": choose.choice([None, (ord("["), 50.0)]),
        "markers": choose.choice([None, ("[1]", "[12]"), ()]),
        "stop": choose.choice([(), ("a", "[1]"), ("zz", "\x00")]),
    }
    if seed % 3 == 0:
        options |= {"temperature": 0.6, "top_k": choose.choice([0, 3]), "top_p": 0.95, "seed": seed}
    return prompt, options


def test_the_text_is_the_same_with_and_without_drafts(tiny):
    """Greedy and sampled, over options of every kind: tokens, texts and reasons, and the blocks come back."""
    before = tiny.scheduler.state
    for seed in range(24):
        prompt, options = random_case(seed)
        plain = list(tiny.generate(prompt, DecodingOptions(**options)))
        drafted = list(tiny.generate(prompt, DecodingOptions(**options, prompt_lookup=1 + seed % 8)))
        assert [(each.token_id, each.text, each.finish_reason) for each in drafted] == [
            (each.token_id, each.text, each.finish_reason) for each in plain
        ], (seed, options)
        torch.testing.assert_close(
            torch.tensor([each.logprob for each in drafted]),
            torch.tensor([each.logprob for each in plain]),
            rtol=1e-3,
            atol=1e-3,
        )
        tiny.runner.cache.check_integrity()
    state = tiny.scheduler.state
    drafted, accepted = (
        state.drafted_tokens - before.drafted_tokens,
        state.accepted_tokens - before.accepted_tokens,
    )
    assert 0 < accepted < drafted  # both outcomes were met
    assert tiny.runner.cache.free_tokens == tiny.runner.cache.capacity_tokens


def test_an_end_token_inside_an_accepted_draft_ends_the_answer(tiny, monkeypatch):
    """The model loops, so a lookup finds the loop; the end token is then met in the middle of a draft."""
    prompt, options = list(b"around and around"), {"temperature": 0.7, "seed": 5, "top_k": 4}
    whole = [piece.token_id for piece in tiny.generate(prompt, DecodingOptions(40, **options))]
    rare = min(set(whole), key=lambda token: (whole.count(token), -whole.index(token)))
    special = type(tiny.tokenizer.special)(None, frozenset({rare, END}), frozenset())
    monkeypatch.setattr(tiny.tokenizer, "special", special)
    for prompt_lookup in (0, 8):
        decoding = DecodingOptions(40, **options, prompt_lookup=prompt_lookup)
        pieces = list(tiny.generate(prompt, decoding))
        assert [piece.token_id for piece in pieces] == whole[: whole.index(rare) + 1]
        assert pieces[-1].finish_reason == "end"


def test_a_stop_text_met_while_drafting_ends_the_answer_before_it(tiny):
    prompt, options = list(b"on and on"), {"temperature": 0.7, "seed": 6, "top_k": 4}
    whole = "".join(piece.text for piece in tiny.generate(prompt, DecodingOptions(30, **options)))
    stop = whole[12:14]
    decoding = DecodingOptions(30, **options, prompt_lookup=8, stop=(stop,))
    pieces = list(tiny.generate(prompt, decoding))
    assert "".join(piece.text for piece in pieces) == whole[: whole.index(stop)]
    assert pieces[-1].finish_reason == "stop"


class Dictated:
    """Stands in for a decoder: its logits say what comes next in a fixed text, whatever was read."""

    def __init__(self, text):
        self.text = text

    def after(self, place, count):
        rows = torch.zeros(count, 258)
        for row in range(count):
            rows[row, self.text[min(place + row, len(self.text) - 1)]] = 9.0
        return rows


@pytest.mark.parametrize(("stop", "end"), [((), "length"), (("three",), "stop")])
def test_a_quotation_takes_few_passes(stop, end):
    """The answer copies a sentence of the prompt: almost all of it is drafted, whatever ends it."""
    sentence = b"one two three four five six seven"
    options = DecodingOptions(len(sentence), prompt_lookup=6, stop=stop)
    writer = Writer(b"Passage: " + sentence + b". Answer: on", options, byte_tokenizer(), None, CPU)
    model = Dictated(sentence[2:] + b" " * 9)
    pieces, passes = writer.write(Scores(model.after(0, 1))), 1
    while pieces[-1].finish_reason is None:
        drafts = writer.next_tokens(99)
        pieces += writer.write(Scores(model.after(len(pieces), len(drafts))))
        passes += 1
    assert pieces[-1].finish_reason == end
    assert passes <= 1 + len(pieces) // 4
    assert bytes(piece.token_id for piece in pieces) == model.text[: len(pieces)]


def test_a_draft_that_breaks_the_marker_rule_is_refused():
    """The prompt goes on with a marker that may not be written; the logits want it too."""
    tokenizer = byte_tokenizer()
    vocabulary = TokenTexts([tokenizer.token_bytes(token) for token in range(tokenizer.vocab_size)])
    constraint = MarkerConstraint(vocabulary, ["[1]"])
    options = DecodingOptions(6, prompt_lookup=6, markers=("[1]",))
    writer = Writer(b"see [2] and see", options, tokenizer, constraint, CPU)
    model = Dictated(b" [2] and")
    writer.write(Scores(model.after(0, 1)))
    assert bytes(writer.next_tokens(99)) == b" [2]"
    pieces = writer.write(Scores(model.after(1, 4)))
    assert bytes(piece.token_id for piece in pieces) == b"[1"


def test_the_first_tokens_input_is_not_asked_for():
    writer = Writer(b"ab", DecodingOptions(3), byte_tokenizer(), None, CPU)
    with pytest.raises(ValueError, match="first token"):
        writer.next_tokens(4)


def test_logits_of_several_new_tokens_are_those_of_one_after_another(tiny):
    decoder = tiny.runner.decoder
    several, single = DecoderRunner(decoder, 1024), DecoderRunner(decoder, 1024)
    prompts = [list(b"a first prompt"), list(b"the second")]
    new = [list(b"abcde"), list(b"xy")]
    sequences = [several.prefill(prompt, lambda: False)[0] for prompt in prompts]
    together = several.extend(sequences, new).logits
    apart = []
    for prompt, tokens in zip(prompts, new, strict=True):
        sequence, _ = single.prefill(prompt, lambda: False)
        apart += [single.advance([sequence], [token])[0] for token in tokens]
    torch.testing.assert_close(together, torch.stack(apart), rtol=1e-4, atol=1e-4)
