"""BM25 over one split's chunks: which of them look right for a question, and whether it finds its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np

from model.train.answers.data import Chunk, holds
from model.train.evaluate import Bm25

EncodeTexts = Callable[[Sequence[str]], list[list[int]]]


class ChunkIndex:
    """The chunks' texts, ranked for questions; titles are not searched."""

    def __init__(self, chunks: Sequence[Chunk], encode: EncodeTexts) -> None:
        """`encode` gives the token ids of each text, as `EncoderTokenizer.encode` does."""
        self._chunks = chunks
        self._encode = encode
        self._bm25 = Bm25(encode([chunk.text for chunk in chunks]))

    def ranked(self, question: str) -> list[int]:
        """The chunks that share a word with the question, best first, then all others in their order."""
        scores = self._bm25.scores(self._encode([question])[0])
        return [int(chunk) for chunk in np.argsort(-scores, kind="stable")]

    def hard(self, question: str, gold: int, answers: Collection[str], count: int) -> list[int]:
        """The best chunks, at most `count`, that are not `gold` and hold none of the answers."""
        found: list[int] = []
        for chunk in self.ranked(question):
            if len(found) == count:
                break
            if chunk != gold and not holds(self._chunks[chunk].text, answers):
                found.append(chunk)
        return found

    def finds(self, question: str, wanted: Collection[int], first: int) -> bool:
        """Whether one of the wanted chunks is among the `first` best; a question without words finds none."""
        tokens = self._encode([question])[0]
        scores = self._bm25.scores(tokens)
        best = np.argsort(-scores, kind="stable")[:first]
        return any(scores[chunk] > 0 and int(chunk) in wanted for chunk in best)
