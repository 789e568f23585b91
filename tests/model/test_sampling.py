"""Choosing tokens: the filters, the constraint on markers, and the text that is let out."""

from __future__ import annotations

import pytest
import torch

from model.constraints import MarkerConstraint, TokenTexts
from model.sampling import DecodingOptions, Sampler, keep_top_k, keep_top_p, penalize_repetition
from model.text_stream import TextStream

LOGITS = torch.tensor([0.1, 0.4, 0.2, 0.3]).log()
CPU = torch.device("cpu")


def kept(logits):
    return logits.isfinite().nonzero().flatten().tolist()


@pytest.mark.parametrize(("top_k", "tokens"), [(0, [0, 1, 2, 3]), (1, [1]), (2, [1, 3]), (9, [0, 1, 2, 3])])
def test_top_k_keeps_the_most_probable(top_k, tokens):
    assert kept(keep_top_k(LOGITS, top_k)) == tokens


@pytest.mark.parametrize(
    ("top_p", "tokens"), [(1.0, [0, 1, 2, 3]), (0.01, [1]), (0.65, [1, 3]), (0.75, [1, 2, 3])]
)
def test_top_p_keeps_the_fewest_that_reach_it(top_p, tokens):
    assert kept(keep_top_p(LOGITS, top_p)) == tokens


def test_the_repetition_penalty_lowers_positive_and_negative_logits():
    out = penalize_repetition(torch.tensor([2.0, -2.0, 2.0]), torch.tensor([0, 1]), 2.0)
    assert out.tolist() == [1.0, -4.0, 2.0]


def test_the_penalty_counts_the_prompt_and_what_was_chosen():
    sampler = Sampler(DecodingOptions(9, repetition_penalty=10.0), prompt=[1], device=CPU)
    logits = torch.tensor([1.0, 5.0, 2.0])
    assert [sampler.choose(logits) for _ in range(2)] == [2, 0]


def test_sampling_follows_the_probabilities_and_the_seed():
    def sample(seed):
        sampler = Sampler(DecodingOptions(1, temperature=1.0, seed=seed), [], CPU)
        return [sampler.choose(LOGITS) for _ in range(2000)]

    tokens = sample(0)
    assert tokens == sample(0) != sample(1)
    shares = torch.bincount(torch.tensor(tokens), minlength=4) / 2000
    torch.testing.assert_close(shares, LOGITS.exp(), rtol=0, atol=0.04)


def test_a_low_temperature_is_almost_greedy():
    sampler = Sampler(DecodingOptions(1, temperature=0.01), [], CPU)
    assert {sampler.choose(LOGITS) for _ in range(50)} == {1}


@pytest.mark.parametrize(
    "options",
    [
        {"max_new_tokens": 0},
        {"temperature": -1.0},
        {"top_k": -1},
        {"top_p": 0.0},
        {"repetition_penalty": 0.0},
        {"beams": 0},
        {"beams": 17},
        {"stop": ("",)},
        {"beams": 2, "temperature": 1.0},
        {"prompt_lookup": -1},
        {"prompt_lookup": 17},
        {"beams": 2, "prompt_lookup": 1},
    ],
)
def test_options_out_of_bounds_are_refused(options):
    with pytest.raises(ValueError, match=r"out of bounds|does not sample|does not draft"):
        DecodingOptions(**{"max_new_tokens": 1, **options})


TOKENS = (b"a", b"[", b"1", b"2", b"]", b" [", b"].", b"[1", b"[]", b"", b"x[", b"] [2", b"12", b"[1]")


def allowed(markers, *history):
    """Texts that may follow the tokens of `history`."""
    constraint = MarkerConstraint(TokenTexts(TOKENS), markers)
    for text in history:
        constraint.accept(TOKENS.index(text))
    masked = kept(constraint.mask(torch.zeros(len(TOKENS))))
    assert masked == [token for token in range(len(TOKENS)) if constraint.allows(token)]
    return {TOKENS[token] for token in masked}


def test_outside_a_marker_only_openings_of_allowed_markers_are_judged():
    free = {b"a", b"1", b"2", b"]", b"].", b"", b"12"}
    assert allowed(["[1]", "[12]"]) == free | {b"[", b" [", b"[1", b"x[", b"[1]"}
    assert allowed(["[2]"]) == free | {b"[", b" [", b"x[", b"] [2"}
    assert allowed([]) == free


def test_inside_a_marker_only_its_continuations_are_allowed():
    assert allowed(["[1]", "[12]"], b" [") == {b"1", b"12"}
    assert allowed(["[1]", "[12]"], b"[", b"1") == {b"2", b"]", b"]."}
    assert allowed(["[1]", "[2]"], b"[1") == {b"]", b"].", b"] [2"}


def test_after_a_marker_the_text_is_free_again():
    assert b"a" in allowed(["[1]"], b"[", b"1", b"].")


def test_a_copy_goes_its_own_way():
    constraint = MarkerConstraint(TokenTexts(TOKENS), ["[1]"])
    constraint.accept(TOKENS.index(b"["))
    twin = constraint.copy()
    twin.accept(TOKENS.index(b"1"))
    assert kept(constraint.mask(torch.zeros(len(TOKENS)))) == [TOKENS.index(b"1")]


def test_a_forbidden_token_and_a_malformed_marker_are_refused():
    constraint = MarkerConstraint(TokenTexts(TOKENS), ["[1]"])
    with pytest.raises(ValueError, match="breaks"):
        constraint.accept(TOKENS.index(b"[]"))
    for marker in ("1", "[]", "[a", "[[1]]", ""):
        with pytest.raises(ValueError, match="not a bracketed marker"):
            MarkerConstraint(TokenTexts(TOKENS), [marker])


def test_characters_come_out_whole():
    stream = TextStream()
    assert [stream.push(bytes([byte])) for byte in "é🙂".encode()] == ["", "é", "", "", "", "🙂"]
    assert stream.push(b"\xf0\x9f") == ""
    assert stream.finish() == "\ufffd"


def test_a_stop_text_never_shows_even_in_part():
    stream = TextStream(stop=("END", "\n\n"))
    assert [stream.push(piece) for piece in (b"a", b"E", b"N", b"x", b"\n", b"b", b"E", b"ND tail")] == [
        "a", "", "", "ENx", "", "\nb", "", "",
    ]  # fmt: skip
    assert stream.stopped
    assert stream.push(b"more") == stream.finish() == ""


def test_held_text_comes_out_when_generation_ends():
    stream = TextStream(stop=("END",))
    assert stream.push(b"xEN") + "|" + stream.finish() == "x|EN"
