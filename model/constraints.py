"""Which tokens may come next when only certain bracketed markers may be written.

The rule is about text, so a token is judged by what it spells: outside a marker everything without "[" is
allowed; from "[" on, the text must stay the beginning of an allowed marker until that marker is complete.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

_OPEN = b"["


class TokenTexts:
    """The vocabulary as bytes, with the few groups that the constraint has to look at. Built once a model."""

    def __init__(self, texts: Sequence[bytes]) -> None:
        """texts[i] are the bytes of token i, empty for control tokens; ids beyond them carry no text."""
        self.texts = texts
        self.opening = [token for token, text in enumerate(texts) if _OPEN in text]
        self.by_first_byte: dict[int, list[int]] = {}
        for token, text in enumerate(texts):
            if text:
                self.by_first_byte.setdefault(text[0], []).append(token)


class MarkerConstraint:
    """Follows the text of one sequence and hides the tokens that would break the rule."""

    def __init__(self, vocabulary: TokenTexts, markers: Sequence[str]) -> None:
        """Raises ValueError for a marker that is not "[", something without brackets, "]"."""
        for marker in markers:
            inside = marker[1:-1]
            if marker != f"[{inside}]" or not inside or "[" in inside or "]" in inside:
                raise ValueError(f"{marker!r} is not a bracketed marker")
        self._vocabulary = vocabulary
        self._markers = [marker.encode() for marker in markers]
        self._prefix = b""  # the unfinished marker at the end of the text so far
        self._cache: dict[bytes, Tensor] = {}

    def mask(self, logits: Tensor) -> Tensor:
        """Logits float32 [V] with every forbidden token at -inf."""
        if self._prefix not in self._cache:
            self._cache[self._prefix] = torch.tensor(self._listed(), dtype=torch.long, device=logits.device)
        listed = self._cache[self._prefix]
        if not self._prefix:
            return logits.index_fill(0, listed, -torch.inf)
        return torch.full_like(logits, -torch.inf).index_copy(0, listed, logits[listed])

    def allows(self, token: int) -> bool:
        """Whether `mask` leaves the token possible; a token without text does not continue a marker."""
        text = self._text(token)
        return bool(text or not self._prefix) and self._follow(self._prefix, text) is not None

    def accept(self, token: int) -> None:
        """Follow the text by one token that `mask` left possible."""
        prefix = self._follow(self._prefix, self._text(token))
        if prefix is None:
            raise ValueError(f"token {token} breaks the marker constraint")
        self._prefix = prefix

    def copy(self) -> MarkerConstraint:
        """An independent constraint at the same place, for a forked hypothesis; computed lists are shared."""
        twin = MarkerConstraint.__new__(MarkerConstraint)
        twin._vocabulary, twin._markers, twin._cache = self._vocabulary, self._markers, self._cache
        twin._prefix = self._prefix
        return twin

    def _text(self, token: int) -> bytes:
        texts = self._vocabulary.texts
        return texts[token] if token < len(texts) else b""

    def _listed(self) -> list[int]:
        """Outside a marker the forbidden tokens, inside one the allowed ones: the shorter list each time."""
        texts = self._vocabulary.texts
        if not self._prefix:
            return [token for token in self._vocabulary.opening if self._follow(b"", texts[token]) is None]
        next_bytes = {
            marker[len(self._prefix)] for marker in self._markers if marker.startswith(self._prefix)
        }
        return [
            token
            for byte in sorted(next_bytes)
            for token in self._vocabulary.by_first_byte.get(byte, ())
            if self._follow(self._prefix, texts[token]) is not None
        ]

    def _follow(self, prefix: bytes, text: bytes) -> bytes | None:
        """The unfinished marker after `text`, empty when there is none; None when `text` breaks the rule."""
        for index in range(len(text)):
            byte = text[index : index + 1]
            if not prefix and byte != _OPEN:
                continue
            prefix += byte
            if prefix in self._markers:
                prefix = b""
            elif not any(marker.startswith(prefix) for marker in self._markers):
                return None
        return prefix
