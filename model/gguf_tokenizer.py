"""The tokenizer in a GGUF file's metadata, rebuilt with the `tokenizers` engine.

Two kinds exist: `llama` is SentencePiece BPE, stored as scores without merges, and `gpt2` is byte-level BPE
with merges and a named pre-tokenizer. Rebuilding a large vocabulary takes seconds, so the result is kept.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE

from model.decoder_tokenizer import BytesStyle, DecoderTokenizer, SpecialTokens, TokenizerError
from model.durable_file import publish
from model.gguf_decoder import GGUFFile

log = logging.getLogger(__name__)

CACHE_SUFFIX = ".tokenizer-v1.json"  # the number changes with the way tokenizers are built
_UNKNOWN, _CONTROL, _USER_DEFINED = 2, 3, 4  # token types of the GGUF specification
_SPACE = "▁"
_TURN_ENDS = ("<end_of_turn>", "<|im_end|>", "<|eot_id|>")  # end an answer though metadata name one end token

_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_PATTERNS = {"qwen2": _WORDS.replace("DIGITS", ""), "llama-bpe": _WORDS.replace("DIGITS", "{1,3}")}


def load_gguf_tokenizer(file: GGUFFile, cache: Path | None = None) -> DecoderTokenizer:
    """The tokenizer of a GGUF file, read from `cache` if that is whole, else built and written to it.

    Where it cannot be written, the log says so, and every start builds it again.

    Raises TokenizerError for kinds that are not implemented.
    """
    kind = file.value("tokenizer.ggml.model", str)
    if kind not in ("llama", "gpt2"):
        raise TokenizerError(f"GGUF tokenizer {kind!r} is not implemented; llama and gpt2 are")
    style: BytesStyle = "sentencepiece" if kind == "llama" else "byte_level"
    tokenizer = None if cache is None else _kept(cache)
    if tokenizer is None:
        tokenizer = _sentencepiece(file) if kind == "llama" else _byte_level(file)
        if cache is not None:
            _keep(tokenizer, cache)
    return DecoderTokenizer(tokenizer, _special_tokens(file, tokenizer, style), style)


def _kept(path: Path) -> Tokenizer | None:
    """None when there is none, or none that can be used."""
    try:
        return Tokenizer.from_file(str(path)) if path.is_file() else None
    except Exception as error:  # noqa: BLE001 - the engine raises nothing narrower
        log.warning("the tokenizer kept in %s is built again: %s", path, error)
        return None


def _keep(tokenizer: Tokenizer, path: Path) -> None:
    """Write beside the target and rename: a reader sees the whole file or none."""
    try:
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            made = Path(scratch) / path.name
            made.write_text(tokenizer.to_str(), encoding="utf-8")
            publish(made, path)
    except OSError as error:
        log.warning("the tokenizer cannot be kept in %s and is built at every start: %s", path, error)


def _special_tokens(file: GGUFFile, tokenizer: Tokenizer, style: BytesStyle) -> SpecialTokens:
    types: list[int] = file.value("tokenizer.ggml.token_type", list)
    control = frozenset(token for token, kind in enumerate(types) if kind in (_UNKNOWN, _CONTROL))
    begins = file.value("tokenizer.ggml.add_bos_token", bool, style == "sentencepiece")
    turn_ends = (tokenizer.token_to_id(text) for text in _TURN_ENDS)
    return SpecialTokens(
        begin=file.value("tokenizer.ggml.bos_token_id", int) if begins else None,
        end=frozenset((file.value("tokenizer.ggml.eos_token_id", int), *filter(None, turn_ends))),
        control=control,
    )


def _sentencepiece(file: GGUFFile) -> Tokenizer:
    """SentencePiece BPE (Kudo and Richardson, 2018) with byte fallback."""
    tokens: list[str] = file.value("tokenizer.ggml.tokens", list)
    types: list[int] = file.value("tokenizer.ggml.token_type", list)
    scores: list[float] = file.value("tokenizer.ggml.scores", list)
    # User-defined tokens are stored as plain text; runs of spaces among them are vocabulary items.
    spelled = [
        _SPACE * len(token) if kind == _USER_DEFINED and not token.strip(" ") else token
        for token, kind in zip(tokens, types, strict=True)
    ]
    vocab = {token: index for index, token in enumerate(spelled)}
    unknown = tokens[file.value("tokenizer.ggml.unknown_token_id", int, 0)]
    model = BPE(
        vocab=vocab,
        merges=_merges(spelled, types, scores),
        unk_token=unknown,
        fuse_unk=True,
        byte_fallback=True,
    )
    tokenizer = Tokenizer(model)
    prefix = (
        [normalizers.Prepend(_SPACE)] if file.value("tokenizer.ggml.add_space_prefix", bool, True) else []
    )
    tokenizer.normalizer = normalizers.Sequence([*prefix, normalizers.Replace(" ", _SPACE)])
    tokenizer.decoder = decoders.Sequence([decoders.Replace(_SPACE, " "), decoders.ByteFallback()])
    _add_tokens(tokenizer, spelled, types)
    return tokenizer


def _merges(tokens: list[str], types: list[int], scores: list[float]) -> list[tuple[str, str]]:
    """Merges that make up for the missing list: SentencePiece joins the pair whose whole scores best.

    A whole with several splits gets all of them, the longest left part first. User-defined tokens, which
    SentencePiece never splits, come before everything else.
    """
    usable = {token for token, kind in zip(tokens, types, strict=True) if kind not in (_UNKNOWN, _CONTROL)}
    order = sorted(
        (index for index, token in enumerate(tokens) if token in usable),
        key=lambda index: (types[index] != _USER_DEFINED, -scores[index], index),
    )
    return [
        (whole[:cut], whole[cut:])
        for whole in (tokens[index] for index in order)
        for cut in range(len(whole) - 1, 0, -1)
        if whole[:cut] in usable and whole[cut:] in usable
    ]


def _byte_level(file: GGUFFile) -> Tokenizer:
    """Byte-level BPE (Radford et al., 2019) with the word pattern that the metadata name."""
    name = file.value("tokenizer.ggml.pre", str)
    if name not in _PATTERNS:
        raise TokenizerError(f"GGUF pre-tokenizer {name!r} is not implemented; {', '.join(_PATTERNS)} are")
    tokens: list[str] = file.value("tokenizer.ggml.tokens", list)
    merges: list[str] = file.value("tokenizer.ggml.merges", list)
    vocab = {token: index for index, token in enumerate(tokens)}
    pairs = [(left, right) for left, right in (merge.split(" ") for merge in merges)]
    tokenizer = Tokenizer(BPE(vocab=vocab, merges=pairs, ignore_merges=name == "llama-bpe"))
    if name == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PATTERNS[name]), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    _add_tokens(tokenizer, tokens, file.value("tokenizer.ggml.token_type", list))
    return tokenizer


def _add_tokens(tokenizer: Tokenizer, tokens: list[str], types: list[int]) -> None:
    """Control tokens as special ones, user-defined ones as plain text that is never split."""
    listed = list(zip(tokens, types, strict=True))
    special = [
        AddedToken(token, special=True, normalized=False) for token, kind in listed if kind == _CONTROL
    ]
    plain = [
        AddedToken(token, special=False, normalized=False)
        for token, kind in listed
        if kind == _USER_DEFINED and token.strip(_SPACE)
    ]
    tokenizer.add_special_tokens(special)
    tokenizer.add_tokens(plain)
