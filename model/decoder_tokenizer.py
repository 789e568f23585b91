"""Text to tokens and back for decoders: the `tokenizers` engine plus what generation has to know of a token.

Generation works on the bytes of single tokens, because a token may end in the middle of a character.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from tokenizers import Tokenizer

BytesStyle = Literal["sentencepiece", "byte_level"]
_BYTE_TOKEN = re.compile(r"<0x([0-9A-F]{2})>")
_SPACE = "▁"  # how SentencePiece writes a space
_PROBES = (  # texts whose tokens tell tokenizers of one vocabulary apart; changing them changes every `id`
    "The 2nd footnote [12] costs 1,234.50 crowns; it wasn't cheap.\n\n[0] Question:\n  Answer:\t",
    " Déjà vu, naïve e\u0301; 日本語 한국어 русский العربية हिन्दी 👩‍👩‍👧",
    "<table><td>x</td></table> ```a_b = {'c': [1, 2]}```        end<end_of_turn>",
)


class TokenizerError(ValueError):
    """A checkpoint's tokenizer is missing or of a kind that is not implemented."""


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    """Token ids with a meaning of their own."""

    begin: int | None  # put before every prompt; None: nothing is
    end: frozenset[int]  # any of them ends generation
    control: frozenset[int]  # carry no text; text is never read as one of them


PromptMask = Literal["full", "block"]


@dataclass(frozen=True, slots=True)
class Segments:
    """A prompt in parts that are tokenised one by one: a part has the same tokens wherever it stands.

    Under the `block` mask every part but the last sees only itself and the last sees all (`Prefill` of
    `model.decoder_runner`); under `full` every token sees all before it.
    """

    texts: tuple[str, ...]
    mask: PromptMask = "full"
    keep: bool = True  # what is read, for other prompts


@dataclass(frozen=True, slots=True)
class PromptTokens:
    """Token ids of a prompt's parts."""

    parts: list[list[int]]
    mask: PromptMask = "full"
    keep: bool = True  # what is read, for other prompts

    @property
    def all(self) -> list[int]:
        """The parts one after another."""
        return [token for part in self.parts for token in part]


class DecoderTokenizer:
    """Encodes prompts and spells out generated tokens."""

    def __init__(self, tokenizer: Tokenizer, special: SpecialTokens, style: BytesStyle) -> None:
        # Otherwise a document that spells out "<end_of_turn>" could end the turn.
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer
        self._style = style
        self.special = special

    @property
    def vocab_size(self) -> int:
        """Token ids are below this; a checkpoint's matrix may be padded beyond it."""
        return len(self._bytes_of)

    def encode(self, text: str, *, begin: bool = True) -> list[int]:
        """Token ids of a text, after the begin token where the model has one.

        Control tokens spelled out in the text stay plain text.
        """
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return [self.special.begin, *ids] if begin and self.special.begin is not None else ids

    def encode_segments(self, segments: Segments) -> PromptTokens:
        """The token ids of every part, behind the begin token where a text of its own begins."""
        last = len(segments.texts) - 1
        parts = [
            self.encode(text, begin=number == 0 or (segments.mask == "block" and number < last))
            for number, text in enumerate(segments.texts)
        ]
        return PromptTokens(parts, segments.mask, segments.keep)

    @cached_property
    def id(self) -> str:
        """SHA-256 over what every token spells and how some texts are cut.

        Weights that were trained with a tokenizer name it. The engine's own serialisation would do until
        its next release writes it in another way.
        """
        digest = hashlib.sha256(str(self.special.begin).encode())
        for spelled in self._bytes_of:
            digest.update(len(spelled).to_bytes(4, "little") + spelled)
        for probe in _PROBES:
            digest.update(json.dumps(self.encode(probe, begin=False)).encode())
        return digest.hexdigest()

    def token_bytes(self, token: int) -> bytes:
        """UTF-8 bytes of one token, possibly a part of a character; empty for control tokens."""
        return self._bytes_of[token] if token < len(self._bytes_of) else b""

    def decode(self, tokens: Iterable[int]) -> str:
        """The text of tokens, control tokens left out; bytes that are no UTF-8 become U+FFFD."""
        return b"".join(self.token_bytes(token) for token in tokens).decode("utf-8", errors="replace")

    @cached_property
    def _bytes_of(self) -> list[bytes]:
        added = self._tokenizer.get_added_tokens_decoder()
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        by_id = [b""] * (max(vocabulary.values()) + 1)  # two ids may share one spelling
        for text, token in vocabulary.items():
            if token in self.special.control:
                continue
            # Added tokens are spelled as they are.
            by_id[token] = text.encode() if token in added else _spelled(text, self._style)
        return by_id


def _spelled(text: str, style: BytesStyle) -> bytes:
    """Bytes of a vocabulary item."""
    if style == "byte_level":
        return bytes(_BYTE_OF_CHARACTER[character] for character in text)
    byte = _BYTE_TOKEN.fullmatch(text)
    return bytes([int(byte[1], 16)]) if byte else text.replace(_SPACE, " ").encode()


def _byte_of_character() -> Mapping[str, int]:
    """How byte-level BPE writes bytes (Radford et al., 2019): printable ones as such, others from U+0100."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(printable)]
    return {chr(byte): byte for byte in printable} | {
        chr(0x100 + index): byte for index, byte in enumerate(others)
    }


_BYTE_OF_CHARACTER = _byte_of_character()


def load_tokenizer_folder(folder: Path) -> DecoderTokenizer:
    """The tokenizer of a Hugging Face checkpoint folder; raises TokenizerError."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise TokenizerError(f"no tokenizer.json in {folder}")
    raw = json.loads(path.read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_str(json.dumps(raw))
    control = frozenset(token["id"] for token in raw.get("added_tokens", ()) if token["special"])
    probe = tokenizer.encode("").ids  # what the post-processor puts around an empty text
    special = SpecialTokens(probe[0] if probe else None, _end_tokens(folder), control)
    return DecoderTokenizer(tokenizer, special, _bytes_style(raw))


def _bytes_style(raw: Mapping[str, Any]) -> BytesStyle:
    """Which way of writing bytes the vocabulary uses, from the tokenizer's own decoder."""
    decoder = raw.get("decoder") or {}
    kinds = {part["type"] for part in decoder.get("decoders", (decoder,)) if "type" in part}
    if "ByteLevel" in kinds:
        return "byte_level"
    if "ByteFallback" in kinds:
        return "sentencepiece"
    raise TokenizerError(f"tokenizer decoder {sorted(kinds)} is neither byte-level nor byte-fallback")


def _end_tokens(folder: Path) -> frozenset[int]:
    """End tokens from config.json and generation_config.json: one id, a list of them, or none."""
    found: set[int] = set()
    for name in ("config.json", "generation_config.json"):
        path = folder / name
        end = json.loads(path.read_text(encoding="utf-8")).get("eos_token_id") if path.is_file() else None
        found.update([end] if isinstance(end, int) else end or ())
    return frozenset(found)
