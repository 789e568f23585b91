"""How much of an index by lists its searches must scan, measured on what is in it.

Some collections have lists that say where everything is, others hardly any: of 200,000 real sentences a fifth
had to be scanned for 99% of the ten nearest, of made-up vectors more than two fifths. So every new index is
asked, before anybody else asks it, with questions made from its own passages.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any, Final

import faiss
import numpy as np
from numpy.typing import NDArray

from retrieval.frozen import Frozen
from retrieval.types import Vectors

TARGET: Final = 0.992  # recall@10 of the made questions
TOP: Final = 10
SHARES: Final = (*(0.02 * 1.1**step for step in range(41)), 1.0)  # each a tenth more than the one before
_QUESTIONS, _SEED = 300, 21
_MOVED = 0.8  # against the length of a passage
_SAME = 1e-5  # scores so near are those of the same text: which copy is found does not matter


def scanned_share(source: Frozen, nearest: Callable[[Vectors, float], Vectors]) -> float:
    """The least of SHARES whose scan finds TARGET of the nearest, or 1.

    `nearest` gives the TOP best scores in the index that a search of this share finds for a vector [C].
    """
    questions = made_questions(source)
    worst = lowest_scores(source, questions)

    def recall(share: float) -> float:
        found = [
            nearest(asked, share) >= least - _SAME for asked, least in zip(questions, worst, strict=True)
        ]
        return float(np.mean(np.concatenate(found)))

    place = bisect_left(SHARES, TARGET, key=recall)
    return SHARES[min(place, len(SHARES) - 1)]


def made_questions(source: Frozen) -> Vectors:
    """[Q, C] of unit length: passages moved in the direction from one passage to another.

    Passages themselves are easier than questions; moved by 0.8, real sentences needed 17% more scanned than
    400 real questions (0.22 of all, 0.19), made-up vectors 37%.
    """
    drawn = np.random.default_rng(_SEED).permutation(source.sample(3 * _QUESTIONS, seed=_SEED))
    passages, starts, ends = np.array_split(drawn[: len(drawn) // 3 * 3], 3)
    return _unit(passages + _MOVED * _unit(ends - starts))


def lowest_scores(source: Frozen, questions: Vectors) -> NDArray[np.float32]:
    """The score of the last of the TOP nearest, by inner product, of each question: [Q]."""
    best: Any = faiss.ResultHeap(len(questions), min(TOP, len(source.rows)), keep_max=True)
    for block in source.blocks():
        scores, rows = faiss.knn(questions, block, min(TOP, len(block)), faiss.METRIC_INNER_PRODUCT)
        best.add_result(scores, rows)
    lowest: NDArray[np.float32] = best.D.min(axis=1)
    return lowest


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = (vectors / np.maximum(lengths, 1e-9)).astype(np.float32)
    return unit
