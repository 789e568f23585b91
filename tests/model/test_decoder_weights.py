"""Gemma 3 270M as packaged: our reading of the GGUF file against transformers' reading of the same file.

The oracle sees our prompt and our greedy tokens in one uncached pass; its own greedy tokens are ours exactly
when its most probable token is ours at every step.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from model.generator import DecodingOptions, Generator
from model.registry import GEMMA_PACKAGE, resolve_decoder

pytestmark = pytest.mark.weights

# transformers needs minutes to read the GGUF file and its tokenizer; the tiny families agree in every run.
against_transformers = pytest.mark.slow

TEXTS = (
    "The quick brown fox. Déjà vu, naïve façade, Ærøskøbing, e\u0301 decomposed.",
    "日本語のテキストと中文字符 한국어 русский Ελληνικά العربية हिन्दी ไทย",
    "🙂👍🏽👩‍👩‍👧 and\n\n\nnewlines\r\n\ttabs   and    runs     of      spaces" + " " * 40 + "end",
    "In 2026: 1,234,567.89 (12%) [1] [12] <table><td>x</td></table> \\[a_b\\] ```code```",
    " leading space, ▁ the SentencePiece space itself, and an unassigned \U000e0fff character\x00",
    "",
)
PROMPT_SOURCE = (
    "Footnote answers questions about documents. Every claim names the passage it rests on. " * 120
)


@pytest.fixture(scope="module")
def models_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def generator(models_folder: Path) -> Generator:
    return Generator.load(GEMMA_PACKAGE, models_folder=models_folder, device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def oracle(models_folder: Path, generator: Generator) -> PreTrainedModel:
    file = resolve_decoder(GEMMA_PACKAGE, models_folder).path
    return AutoModelForCausalLM.from_pretrained(
        models_folder, gguf_file=file.name, dtype=torch.float32
    ).eval()


@pytest.fixture(scope="module")
def oracle_tokenizer(models_folder: Path, generator: Generator) -> PreTrainedTokenizerBase:
    file = resolve_decoder(GEMMA_PACKAGE, models_folder).path
    return AutoTokenizer.from_pretrained(models_folder, gguf_file=file.name)


@torch.inference_mode()
def assert_greedy_tokens_agree(
    generator: Generator, oracle: PreTrainedModel, prompt_tokens: int, steps: int
) -> None:
    prompt = generator.tokenizer.encode(PROMPT_SOURCE)[:prompt_tokens]
    assert len(prompt) == prompt_tokens
    pieces = list(generator.generate(prompt, DecodingOptions(max_new_tokens=steps)))
    tokens = torch.tensor([[*prompt, *(piece.token_id for piece in pieces)]])
    theirs = oracle(tokens, logits_to_keep=len(pieces) + 1).logits[0, :-1].float()
    assert theirs.argmax(dim=-1).tolist() == [piece.token_id for piece in pieces]
    ours = torch.tensor([piece.logprob for piece in pieces])
    torch.testing.assert_close(ours, theirs.log_softmax(dim=-1).amax(dim=-1), rtol=0, atol=2e-3)


@against_transformers
@pytest.mark.timeout(3600)
def test_greedy_tokens_and_probabilities_agree_past_the_window(generator, oracle):
    assert_greedy_tokens_agree(generator, oracle, prompt_tokens=513, steps=24)


@against_transformers
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("prompt_tokens", [1, 511, 512, 513, 1500])
def test_greedy_tokens_agree_over_200_steps(generator, oracle, prompt_tokens):
    assert_greedy_tokens_agree(generator, oracle, prompt_tokens, steps=200)


@against_transformers
@pytest.mark.timeout(3600)
@torch.inference_mode()
def test_logits_agree_at_every_position(generator, oracle):
    tokens = torch.tensor([generator.tokenizer.encode(PROMPT_SOURCE)[:64]])
    torch.testing.assert_close(
        generator.runner.decoder(tokens), oracle(tokens).logits.float(), rtol=0, atol=2e-3
    )


@against_transformers
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("text", TEXTS)
def test_tokens_agree(generator, oracle_tokenizer, text):
    assert generator.tokenizer.encode(text) == oracle_tokenizer(text).input_ids


def test_control_tokens_in_a_text_stay_text(generator):
    tokens = generator.tokenizer.encode("<start_of_turn>user <eos>", begin=False)
    assert not generator.tokenizer.special.control & set(tokens)
    assert generator.tokenizer.decode(tokens) == "<start_of_turn>user <eos>"


@pytest.fixture(scope="module")
def answers(generator: Generator) -> str:
    example = "Question: What is the capital of France?\nAnswer: Paris [1]\n"
    prompt = example + "Question: What is the capital of Italy?\nAnswer:"
    options = DecodingOptions(max_new_tokens=16, stop=("\nQuestion",), markers=("[1]",))
    return "".join(piece.text for piece in generator.generate(prompt, options))


def test_the_base_model_answers_with_an_allowed_marker(answers):
    assert answers == " Rome [1]"


def test_markers_that_are_not_in_the_prompts_list_are_never_written(generator):
    """The prompt all but dictates [7] and [9], also to prompt lookup, which drafts what is quoted."""
    example = "Question: What is the capital of {}?\nAnswer: {} [7] [9]\n"
    asked = (("France", "Paris"), ("Spain", "Madrid"), ("Greece", "Athens"))
    prompt = "".join(example.format(*each) for each in asked)
    prompt += "Question: What is the capital of Italy?\nAnswer:"

    def written(markers: tuple[str, ...] | None, seed: int) -> list[str]:
        options = DecodingOptions(24, temperature=0.5, seed=seed, markers=markers, prompt_lookup=10)
        text = "".join(piece.text for piece in generator.generate(prompt, options))
        return re.findall(r"\[\d*\]?", text)

    free = [marker for seed in range(3) for marker in written(None, seed)]
    assert {"[7]", "[9]"} & set(free)
    bound = [marker for seed in range(3) for marker in written(("[1]", "[2]"), seed)]
    assert bound
    assert all(any(allowed.startswith(marker) for allowed in ("[1]", "[2]")) for marker in bound)
