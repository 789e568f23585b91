"""The native decode step against plain torch: the same network, its weights and activations in 8 bits."""

from __future__ import annotations

import copy
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import app.wiring
from app.settings import load_settings
from model.config import DecoderConfig, RotaryConfig
from model.decoder import Decoder
from model.decoder_runner import DecoderRunner
from model.generator import Generator
from model.kv_cache import CachedSequence, KVCache
from model.native import library
from model.native.decoder import NativeDecoder, native_decoder
from model.native.library import NativeUnavailable, check_processor
from model.native.packing import GROUP, pack
from tests.model.tiny_decoders import byte_tokenizer

CPU = torch.device("cpu")
NEAR = 0.9995  # cosine; a few activations on the border between two codes fall to the other side
LLAMA = DecoderConfig(
    family="llama",
    vocab_size=272,
    width=64,
    heads=4,
    key_value_heads=2,
    head_width=64,
    mlp_width=128,
    max_tokens=4096,
    norm_epsilon=1e-6,
    activation="silu",
    attention_scale=64**-0.5,
    rotary=RotaryConfig(base=1e4),
    windows=(None,) * 4,
)
CONFIGS = {
    "llama": LLAMA,
    "biases": replace(LLAMA, qkv_bias=True, output_bias=True, mlp_bias=True),
    "one key head": replace(LLAMA, key_value_heads=1, tied_embeddings=True),
    "windows": replace(LLAMA, windows=(70, None, 70, 5), local_rotary=RotaryConfig(base=100.0)),
    "gemma": replace(
        LLAMA,
        activation="gelu_tanh",
        qk_norm=True,
        sandwich_norms=True,
        tied_embeddings=True,
        windows=(70, 70, None, 70),
        local_rotary=RotaryConfig(base=100.0),
        embedding_scale=8.0,
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        check_processor()
    except NativeUnavailable as reason:
        pytest.skip(str(reason))
    return tmp_path_factory.mktemp("native")


@pytest.fixture(params=CONFIGS)
def pair(request: pytest.FixtureRequest, folder: Path) -> tuple[Decoder, NativeDecoder]:
    decoder = random_decoder(CONFIGS[request.param])
    return decoder, NativeDecoder(decoder, folder)


def random_decoder(config: DecoderConfig) -> Decoder:
    """Weights that 8 bits hold exactly, so that only activations are rounded."""
    torch.manual_seed(3)
    decoder = Decoder.uninitialised(config, dtype=torch.float32, device=CPU)
    for name, parameter in decoder.named_parameters():
        nn.init.normal_(parameter, mean=1.0 if "norm" in name else 0.0, std=0.15)
        if parameter.ndim == 2 and "norm" not in name:
            parameter.copy_(pack(parameter).weight())
    return decoder


class RoundedLinear(nn.Module):
    """A linear layer that rounds its input as the native step does: in groups, to 8 bits."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear

    @property
    def weight(self) -> Tensor:
        return self.linear.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(rounded(x.float()).to(x.dtype))


def rounded(x: Tensor) -> Tensor:
    grouped = x.unflatten(-1, (-1, GROUP))
    scales = (grouped.abs().amax(dim=-1, keepdim=True) / 127).clamp(min=1e-30)
    return ((grouped / scales).round() * scales).flatten(-2)


def rounding(decoder: Decoder) -> Decoder:
    """The same decoder with the native step's rounding, in plain torch."""
    oracle = copy.deepcopy(decoder)
    for parent in list(oracle.blocks.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Linear):
                setattr(parent, name, RoundedLinear(child))
    return oracle


def computing_in(decoder: Decoder, dtype: torch.dtype) -> Decoder:
    """As `Decoder.uninitialised` leaves it: norms stay float32."""
    for module in decoder.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            module.to(dtype)
    return decoder


def filled(decoder: Decoder, cache: KVCache, length: int) -> CachedSequence:
    """A sequence with a past that plain torch computed."""
    sequence = cache.open()
    generator = torch.Generator().manual_seed(length)
    tokens = torch.randint(0, 272, (1, length), generator=generator)
    decoder.hidden(tokens, cache.step([sequence], [length]))
    return sequence


def both(
    pair: tuple[Decoder, NativeDecoder],
    lengths: list[int],
    counts: list[int],
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor]:
    """States of new tokens behind pasts of these lengths: by torch, by the native step."""
    decoder, native = rounding(pair[0]), pair[1]
    results = []
    for fast in (False, True):
        cache = KVCache(decoder.config, 4096, dtype=dtype, device=CPU)
        sequences = [filled(computing_in(decoder, dtype), cache, length) for length in lengths]
        step = cache.step(sequences, counts)
        tokens = torch.arange(len(counts) * max(counts)).view(len(counts), -1) % 272
        if fast:
            new = [token for row, count in zip(tokens.tolist(), counts, strict=True) for token in row[:count]]
            results.append(native.hidden(new, step, is_prompt=len(counts) == 1 and counts[0] > 3))
        else:
            results.append(step.packed(decoder.hidden(tokens, step)).float())
    return results[0], results[1]


def closeness(plain: Tensor, fast: Tensor) -> float:
    """The lowest cosine of any row."""
    return float(functional.cosine_similarity(plain, fast, dim=-1).min())


@pytest.mark.parametrize("past", [1, 3, 63, 64, 65, 200, 700])
def test_one_token(pair: tuple[Decoder, NativeDecoder], past: int) -> None:
    assert closeness(*both(pair, [past], [1])) > NEAR


@pytest.mark.parametrize("count", [2, 7, 8, 9, 17, 150])
def test_tokens_of_one_sequence_see_each_other(pair: tuple[Decoder, NativeDecoder], count: int) -> None:
    assert closeness(*both(pair, [130], [count])) > NEAR


def test_sequences_of_different_lengths_together(pair: tuple[Decoder, NativeDecoder]) -> None:
    assert closeness(*both(pair, [5, 300, 64, 90], [1, 3, 1, 2])) > NEAR


@pytest.mark.parametrize(("past", "count"), [(100, 3), (1, 15), (100, 16), (64, 150), (3, 400)])
@pytest.mark.parametrize("name", ["gemma", "llama"])
def test_a_cache_in_bfloat16(folder: Path, name: str, past: int, count: int) -> None:
    """Few rows and many, whose keys are packed in spans."""
    decoder = random_decoder(CONFIGS[name])
    pair = (decoder, NativeDecoder(decoder, folder))
    assert closeness(*both(pair, [past], [count], torch.bfloat16)) > 0.99


@pytest.mark.parametrize("name", CONFIGS)
def test_packed_spans_say_what_rows_one_by_one_say(folder: Path, name: str) -> None:
    decoder = random_decoder(CONFIGS[name])
    native = NativeDecoder(decoder, folder)
    tokens = [(7 * index) % 272 for index in range(300)]
    states = []
    for most, is_prompt in ((300, True), (130, True), (1, True), (300, False)):
        cache = KVCache(native.config, 512, dtype=torch.bfloat16, device=CPU)
        sequence = cache.open()
        parts = [tokens[first : first + most] for first in range(0, 300, most)]
        states.append(
            torch.cat(
                [
                    native.hidden(part, cache.step([sequence], [len(part)]), is_prompt=is_prompt)
                    for part in parts
                ]
            )
        )
    assert torch.equal(states[0], states[1])  # however a prompt is cut
    assert torch.equal(states[0], states[2])
    # Activations that fall to another code part the two by more than an arithmetic error would show: what
    # counts is that neither is further from the exact states than the other.
    exact = decoder.hidden(torch.tensor([tokens]))[0]
    assert closeness(exact, states[0]) > closeness(exact, states[3]) - 3e-3
    assert closeness(states[0], states[3]) > 0.997


def test_a_prompt_of_more_rows_than_one_call_takes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = random_decoder(CONFIGS["gemma"])
    native = NativeDecoder(decoder, folder)
    whole = both((decoder, native), [10], [100])[1]
    monkeypatch.setattr("model.native.decoder_pass.MAX_ROWS", 32)
    torch.testing.assert_close(both((decoder, native), [10], [100])[1], whole, atol=1e-3, rtol=1e-3)


def test_what_it_stores_is_what_later_steps_read(pair: tuple[Decoder, NativeDecoder]) -> None:
    decoder, native = rounding(pair[0]), pair[1]
    states = []
    for fast in (False, True):
        cache = KVCache(decoder.config, 512, dtype=torch.float32, device=CPU)
        sequence = filled(decoder, cache, 60)
        for token in range(9):
            step = cache.step([sequence], [1])
            if fast:
                hidden = native.hidden([token], step)
            else:
                hidden = decoder.hidden(torch.tensor([[token]]), step)[0]
        states.append(hidden)
    assert closeness(*states) > NEAR


def test_logits(pair: tuple[Decoder, NativeDecoder]) -> None:
    decoder, native = pair
    hidden = torch.randn(5, 64, generator=torch.Generator().manual_seed(1))
    assert closeness(decoder.logits(hidden), native.logits(hidden)) > 0.9999


def test_products_are_exact_for_the_rounded_numbers(folder: Path) -> None:
    decoder = random_decoder(CONFIGS["llama"])
    native = NativeDecoder(decoder, folder)
    x = torch.randn(11, 64, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(native.logits(x), rounded(x) @ native.head.weight().T, atol=1e-5, rtol=1e-5)


@pytest.fixture
def with_tiles(folder: Path) -> Iterator[Callable[[bool], bool]]:
    """Turns the matrix unit on and off."""
    loaded = library.load_library(folder)
    if not library.use_tiles(loaded):
        pytest.skip("the processor has no matrix unit")
    yield lambda wanted: library.use_tiles(loaded, wanted)
    library.use_tiles(loaded)


@pytest.mark.parametrize("rows", [1, 8, 9, 16, 17, 40])
def test_the_matrix_unit_gives_the_same_products(
    folder: Path, with_tiles: Callable[[bool], bool], rows: int
) -> None:
    decoder = random_decoder(CONFIGS["biases"])
    native = NativeDecoder(decoder, folder)
    x = torch.randn(rows, 64, generator=torch.Generator().manual_seed(rows))
    found = []
    for wanted in (True, False):
        with_tiles(wanted)
        found.append(native.logits(x))
    assert torch.equal(*found)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_matrix_unit_reads_a_prompt_as_vectors_do(
    folder: Path, with_tiles: Callable[[bool], bool], name: str
) -> None:
    decoder = computing_in(random_decoder(CONFIGS[name]), torch.bfloat16)
    native = NativeDecoder(decoder, folder)
    tokens = [number * 7 % 272 for number in range(300)]
    found = []
    for wanted in (True, False):
        with_tiles(wanted)
        cache = KVCache(decoder.config, 512, dtype=torch.bfloat16, device=CPU)
        found.append(native.hidden(tokens, cache.step([cache.open()], [300]), is_prompt=True))
    assert closeness(*found) > 0.998  # what another order of sums in bfloat16 moves


@pytest.mark.parametrize("rows", [1, 3, 8, 13])
def test_the_best_scores_are_those_of_all_in_8_bits(folder: Path, rows: int) -> None:
    native = NativeDecoder(random_decoder(replace(LLAMA, vocab_size=4096, windows=(None,))), folder)
    hidden = torch.randn(rows, 64, generator=torch.Generator().manual_seed(rows))
    found = native.best_scores(hidden)
    wanted = native.logits(hidden)
    assert found.estimate is not None
    scores, floors = found.logits, found.estimate.floors
    assert torch.equal(scores.argmax(dim=-1), wanted.argmax(dim=-1))
    assert torch.equal(found.estimate.best, wanted.argmax(dim=-1))
    torch.testing.assert_close(found.estimate.log_sums, scores.logsumexp(dim=-1), atol=1e-4, rtol=1e-5)
    token, logprob = found.best(rows - 1) or (-1, 0.0)
    assert token == int(wanted[-1].argmax())
    assert logprob == pytest.approx(float(scores[-1].log_softmax(dim=-1)[token]), abs=1e-3)
    above = wanted >= floors[:, None]
    assert bool(above.any(dim=-1).all())
    assert torch.equal(scores[above], wanted[above])
    # Otherwise nothing would be saved, and the estimates would not be tested.
    assert float((scores != wanted).float().mean()) > 0.01
    assert closeness(scores, wanted) > 0.98


def test_a_forbidden_best_token_is_replaced_by_the_exact_second(folder: Path) -> None:
    native = NativeDecoder(random_decoder(replace(LLAMA, vocab_size=4096, windows=(None,))), folder)
    hidden = torch.randn(6, 64, generator=torch.Generator().manual_seed(9))
    found, wanted = native.best_scores(hidden), native.logits(hidden)
    for row in range(6):
        for forbidden in (0, 1, 40, 2000):
            banned = wanted[row].topk(forbidden).indices

            def pick(logits: Tensor, banned: Tensor = banned) -> int:
                return int(logits.index_fill(0, banned, -torch.inf).argmax())

            token, logits = found.choose(row, pick)
            assert token == pick(wanted[row])
            assert float(logits[token]) == float(wanted[row][token])


def test_greedy_tokens_are_those_of_plain_torch(folder: Path) -> None:
    """Several sequences at once, drafts that are thrown away; weights hold 8 bits exactly."""
    decoder = random_decoder(CONFIGS["gemma"])
    plain = greedy(DecoderRunner(rounding(decoder), 2048))
    assert greedy(DecoderRunner(decoder, 2048, native=NativeDecoder(decoder, folder))) == plain


def greedy(runner: DecoderRunner) -> list[list[int]]:
    """Twelve tokens of two sequences, each step with a draft that is forgotten again."""
    started = [runner.prefill([1 + index, 7, 9, 40] * 20, lambda: False) for index in range(2)]
    sequences = [sequence for sequence, _ in started]
    texts = [[int(logits.argmax())] for _, logits in started]
    for _ in range(11):
        scores = runner.extend(sequences, [[text[-1], 5] for text in texts], only_best=True)
        for own, text, sequence in zip(scores.split([2, 2]), texts, sequences, strict=True):
            text.append(own.choose(0, lambda logits: int(logits.argmax()))[0])
            runner.cache.truncate(sequence, sequence.length_tokens - 1)
    return texts


def test_every_matrix_is_kept_once(folder: Path) -> None:
    decoder = random_decoder(CONFIGS["gemma"])
    tokens = torch.randint(0, 272, (2, 7), generator=torch.Generator().manual_seed(6))
    plain = decoder.embed(tokens)
    native = native_decoder(decoder, folder, "native")
    assert native is not None
    assert all(parameter.ndim == 1 or "qk_norm" in name for name, parameter in decoder.named_parameters())
    with pytest.raises(RuntimeError, match="held by the native step"):
        decoder.hidden(tokens)
    torch.testing.assert_close(decoder.embed(tokens), plain)
    greedy(DecoderRunner(decoder, 2048, native=native))


def test_a_trace_names_the_type_that_native_steps_cache(folder: Path) -> None:
    """They hold the matrices, so that none of the decoder's own parameters says it."""
    decoder = computing_in(random_decoder(CONFIGS["gemma"]), torch.bfloat16)
    native = native_decoder(decoder, folder, "native")
    generator = Generator("tiny", decoder, byte_tokenizer(), native=native)
    arithmetic = app.wiring._arithmetic(load_settings({}), generator)
    assert (arithmetic["decode"], arithmetic["dtype"], arithmetic["device"]) == ("native", "bfloat16", "cpu")


def test_who_decodes_is_chosen(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    odd = Decoder.uninitialised(replace(LLAMA, vocab_size=270), dtype=torch.float32, device=CPU)
    assert native_decoder(random_decoder(LLAMA), folder, "plain") is None
    assert native_decoder(odd, folder, "auto") is None
    assert "computed by plain torch" in caplog.text
    with pytest.raises(NativeUnavailable):
        native_decoder(odd, folder, "native")


def test_packing_keeps_a_weight_to_half_a_code() -> None:
    weight = torch.randn(32, 64, generator=torch.Generator().manual_seed(4))
    packed = pack(weight)
    largest = (
        weight.view(32, -1, GROUP).abs().amax(dim=-1, keepdim=True).expand(-1, -1, GROUP).reshape(32, 64)
    )
    assert bool(((packed.weight() - weight).abs() <= largest / 127 * 0.51).all())
    assert float(pack(torch.zeros(16, GROUP)).weight().abs().max()) == 0.0


def test_packing_in_4_bits() -> None:
    weight = torch.randint(-7, 8, (32, 64), generator=torch.Generator().manual_seed(5)).float()
    weight[:, ::GROUP] = 7.0
    torch.testing.assert_close(pack(weight, bits=4).weight(), weight)


def test_shapes_that_do_not_divide_are_refused(folder: Path) -> None:
    with pytest.raises(NativeUnavailable, match="panels of 16"):
        NativeDecoder(
            Decoder.uninitialised(replace(LLAMA, vocab_size=270), dtype=torch.float32, device=CPU), folder
        )


def test_a_machine_without_a_compiler_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(NativeUnavailable, match="install g"):
        library.load_library(folder)


def test_a_failed_build_leaves_nothing(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "broken.cpp").write_text("this is not C++")
    monkeypatch.setattr(library, "SOURCES", tmp_path / "sources")
    with pytest.raises(NativeUnavailable, match="failed"):
        library.load_library(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_it_is_built_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library.load_library(folder)
    version = subprocess.run

    def only_version(command: list[str], **options: object) -> object:
        assert "--version" in command
        return version(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", only_version)
    library.load_library(folder)


def test_a_torn_library_is_built_again(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library.load_library(folder)
    (whole,) = folder.glob("*.so")
    torn = tmp_path / whole.name
    torn.write_bytes(b"")
    monkeypatch.setattr(library, "_compile", lambda _compiler, made: shutil.copy(whole, made))
    library.load_library(tmp_path)
    assert torn.read_bytes() == whole.read_bytes()


def test_a_folder_in_which_nothing_loads_is_built_into_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = []

    def useless(_compiler: str, made: Path) -> None:
        made.write_text("as if nothing here might be executed")
        built.append(made)

    monkeypatch.setattr(library, "_compile", useless)
    for _ in range(2):
        with pytest.raises(NativeUnavailable, match="cannot be loaded"):
            library.load_library(tmp_path)
    assert len(built) == 2  # at first, and once again


def test_a_folder_that_takes_no_file_says_so(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NativeUnavailable, match="cannot be written"):
        library.load_library(tmp_path / "file")
