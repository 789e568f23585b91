"""What claims are made of: passages, questions and judged claims, split by document, no text twice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from model.train.claims.data import Judged, fingerprint, load_judged, without_duplicates
from model.train.data import Corpus, Question, Split, load_corpus


@dataclass(frozen=True, slots=True)
class Material:
    """What claims of one split are made of."""

    corpus: Corpus
    split: Split
    questions: tuple[Question, ...]
    judged: tuple[Judged, ...]
    allowed: frozenset[int]  # passages of the split


def load_material(folder: Path) -> tuple[dict[Split, Material], int]:
    """The three splits, and how many near-duplicates were dropped from training."""
    corpus = load_corpus(folder)
    judged, dropped = without_duplicates(load_judged(folder))
    splits: tuple[Split, ...] = ("train", "dev", "test")
    allowed = {split: set(corpus.passages_of(split)) for split in splits}
    prints = [fingerprint(passage.text) for passage in corpus.passages]
    held_out = {prints[index] for split in splits[1:] for index in allowed[split]}
    twice = {index for index in allowed["train"] if prints[index] in held_out}
    allowed["train"] -= twice
    return {
        split: Material(
            corpus,
            split,
            tuple(q for q in corpus.questions_of(split) if q.positive in allowed[split]),
            tuple(item for item in judged if item.split == split),
            frozenset(allowed[split]),
        )
        for split in splits
    }, dropped + len(twice)
