"""The mix of claims that the verifier trains on: judged ones, answers turned into claims, edited sentences.

Wrong claims are made to look right: wrong answers are of the right kind and from the same passage, edited
sentences differ in one number, name or "not", foreign passages are the neighbours that search would return.
Labels made by rules are noisy: a question may have two right answers, a swapped word may leave a sentence
true. Every kind therefore has a capped share, and `judged` rows repeat more often than their number says.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from model.train.claims.data import CONTRADICTED, SUPPORTED, Example, Judged, contradicting, example_of
from model.train.claims.material import Material
from model.train.claims.of_answers import AnswerClaims
from model.train.claims.of_sentences import SentenceClaims

SHARES = {  # of rows, by where they come from
    "claims_scifact": 0.13,
    "claims_wice_partial": 0.04,
    "cited_expertqa": 0.06,
    "qa_pubmedqa": 0.06,
    "answers": 0.40,
    "sentences": 0.31,
}
_BY_RULE = frozenset({"answers", "sentences"})


def mixed(material: Material, chance: random.Random, *, judged: float = 1.0) -> Iterator[Example]:
    """Endless examples of a split in the shares above, the sets that people judged `judged` times as often.

    Deterministic given `chance`.
    """
    makers: dict[str, Callable[[random.Random], Example | None]] = {
        "answers": AnswerClaims(material).make,
        "sentences": SentenceClaims(material).make,
    }
    for source in SHARES.keys() - makers.keys():
        pool = [item for item in material.judged if item.source == source]
        if pool:
            makers[source] = JudgedClaims(pool).make
    names = [name for name in SHARES if name in makers]
    weights = [SHARES[name] * (1.0 if name in _BY_RULE else judged) for name in names]
    while True:
        make = makers[chance.choices(names, weights)[0]]
        made = make(chance)
        while made is None:
            made = make(chance)
        yield made


class JudgedClaims:
    """Claims of one judged set, labels drawn evenly, each list used up before it repeats."""

    def __init__(self, pool: Sequence[Judged]) -> None:
        self._by_label: dict[int, list[Judged]] = defaultdict(list)
        for item in pool:
            self._by_label[item.label].append(item)
        self._queues: dict[int, list[Judged]] = {}

    def make(self, chance: random.Random) -> Example | None:
        """One example; now and then a supported claim is turned round."""
        labels = sorted(self._by_label)
        weights = [0.45 if label == SUPPORTED else 0.3 for label in labels]
        label = chance.choices(labels, weights)[0]
        if not self._queues.get(label):
            self._queues[label] = chance.sample(self._by_label[label], len(self._by_label[label]))
        item = self._queues[label].pop()
        turn_share = 0.12 if CONTRADICTED in self._by_label else 0.25
        turned = contradicting(item, chance) if chance.random() < turn_share else None
        return example_of(turned or item, chance)
