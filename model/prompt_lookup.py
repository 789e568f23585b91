"""Prompt lookup decoding (Saxena, 2023): an answer that quotes is drafted from what it quotes.

The draft is what followed the latest earlier place of the last few tokens, in the prompt or in the answer.
One forward pass then gives the logits at every drafted token (speculative decoding, Leviathan et al., 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice

# Longest first: the more tokens agree, the better the guess. Single tokens were tried: their drafts are wrong
# so often that they cost what they save.
NGRAM_TOKENS = (3, 2)
MAX_PAUSE_STEPS = 3  # between two tries on a text that repeats nothing; longer ones miss the next quotation


class NgramIndex:
    """The tokens of one sequence, and where each of its n-grams stood last."""

    def __init__(self, tokens: Sequence[int]) -> None:
        self._tokens: list[int] = []
        self._after: dict[tuple[int, ...], int] = {}  # n-gram to the place behind its latest occurrence
        for token in tokens:
            self.append(token)

    def append(self, token: int) -> None:
        """One more token. Only now has the n-gram before it a continuation: the end never finds itself."""
        place = len(self._tokens)
        for size in NGRAM_TOKENS:
            if size <= place:
                self._after[tuple(self._tokens[place - size :])] = place
        self._tokens.append(token)

    def following(self, most_tokens: int) -> list[int]:
        """What followed the latest earlier occurrence of the last tokens; empty when there is none.

        Where that reaches the end it goes round again, as a text that repeats itself would.
        """
        for size in NGRAM_TOKENS:
            place = self._after.get(tuple(self._tokens[-size:]))
            if place is not None:
                found = self._tokens[place : place + most_tokens]
                return list(islice(cycle(found), most_tokens))
        return []


class PromptLookup:
    """Drafts the next tokens of one sequence, as many as lately proved right.

    A draft is twice as long as what was last accepted. After one that was all wrong the next is a single
    token and waits one step, then three, so that a text that repeats nothing costs next to nothing.
    """

    def __init__(self, prompt: Sequence[int], most_tokens: int) -> None:
        self._index = NgramIndex(prompt)
        self._most = most_tokens
        self._length = max(1, most_tokens // 2)
        self._misses = self._pause = 0

    def append(self, token: int) -> None:
        """One more token of the answer."""
        self._index.append(token)

    def draft(self, limit_tokens: int) -> list[int]:
        """Tokens that may come next, `limit_tokens` at most; asked once a step."""
        if self._pause > 0:
            self._pause -= 1
            return []
        return self._index.following(max(0, min(self._length, limit_tokens)))

    def settle(self, drafted: int, accepted: int) -> None:
        """Learn how many of a step's drafted tokens were right."""
        if drafted == 0:
            return
        self._length = min(self._most, max(1, 2 * accepted))
        self._misses = 0 if accepted else self._misses + 1
        self._pause = min(2**self._misses - 1, MAX_PAUSE_STEPS)
