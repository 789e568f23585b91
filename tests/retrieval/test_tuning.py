"""How much of an index is scanned follows from what is in it, and recall holds either way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.clustered import SHARE, ClusteredIndex, SearchEffort, train
from retrieval.frozen import Frozen
from retrieval.tuning import SHARES, TOP, lowest_scores, made_questions, scanned_share
from retrieval.types import AccessFilter, Vectors
from retrieval.vector_file import VectorFile

DIMENSION, COUNT = 32, 6000
EFFORT = SearchEffort(scanned=10**9, short_list=300, exact=60)
ALL = AccessFilter(frozenset({1}))


def unit(vectors: NDArray[np.float64]) -> Vectors:
    made: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return made


def noise(count: int, seed: int) -> Vectors:
    return unit(np.random.default_rng(seed).standard_normal((count, DIMENSION)))


def topics(count: int, seed: int) -> Vectors:
    """Sixty topics with hardly anything between them."""
    middles = np.random.default_rng(1).standard_normal((60, DIMENSION))
    drawn = np.random.default_rng(seed)
    return unit(middles[drawn.integers(0, 60, count)] + 0.2 * drawn.standard_normal((count, DIMENSION)))


@dataclass(frozen=True)
class Tuned:
    """An index that was filled and tuned, and what it was filled from."""

    index: ClusteredIndex
    source: Frozen
    vectors: Vectors

    def recall(self, questions: Vectors) -> float:
        found = [{hit.chunk_id for hit in self.index.search(asked, TOP, ALL)} for asked in questions]
        nearest = np.argsort(-(questions @ self.vectors.T), axis=1)[:, :TOP]
        return float(np.mean([len(ids & set(rows)) / TOP for ids, rows in zip(found, nearest, strict=True)]))


def tuned(vectors: Vectors, folder: Path) -> Tuned:
    file = VectorFile(folder, DIMENSION)
    file.append(vectors)
    rows = np.arange(len(vectors))
    source = Frozen(file, rows, rows, np.array([[7, 1, len(vectors), 1]]))  # one document of collection 1
    index = ClusteredIndex(train(source, DIMENSION), VectorFile(folder, DIMENSION), EFFORT)
    index.fill(source)
    index.tune(source)
    return Tuned(index, source, vectors)


def scanning_all(made: Tuned, folder: Path) -> ClusteredIndex:
    """The same index as an older release saved it."""
    made.index.save(folder)
    (folder / SHARE).unlink()
    return ClusteredIndex.load(folder, VectorFile(folder, DIMENSION), DIMENSION, EFFORT)


@pytest.fixture(scope="module")
def of_topics(tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    return tuned(topics(COUNT, 0), tmp_path_factory.mktemp("topics"))


@pytest.fixture(scope="module")
def of_noise(tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    return tuned(noise(COUNT, 0), tmp_path_factory.mktemp("noise"))


def test_topics_are_scanned_in_part_and_noise_nearly_whole(of_topics: Tuned, of_noise: Tuned) -> None:
    assert of_topics.index.share <= 0.3
    assert of_noise.index.share >= 2 * of_topics.index.share


def test_recall_holds_for_questions_it_was_not_tuned_by(of_topics: Tuned) -> None:
    assert of_topics.recall(topics(60, seed=5)) >= 0.98


def test_questions_unlike_any_passage_lose_little_against_a_scan_of_everything(
    of_noise: Tuned, tmp_path: Path
) -> None:
    questions = noise(60, seed=5)
    everything = Tuned(scanning_all(of_noise, tmp_path), of_noise.source, of_noise.vectors)
    assert of_noise.recall(questions) >= everything.recall(questions) - 0.03


def test_lowest_scores_are_those_of_an_exact_scan(of_noise: Tuned) -> None:
    questions = noise(20, seed=9)
    held = of_noise.source.vectors.read(of_noise.source.rows)
    expected = np.sort(questions @ held.T, axis=1)[:, -TOP]
    np.testing.assert_allclose(lowest_scores(of_noise.source, questions), expected, atol=1e-6)


def test_made_questions_are_near_passages_and_the_same_every_time(of_noise: Tuned) -> None:
    questions = made_questions(of_noise.source)
    np.testing.assert_array_equal(questions, made_questions(of_noise.source))
    np.testing.assert_allclose(np.linalg.norm(questions, axis=1), 1.0, atol=1e-5)
    nearest = (questions @ of_noise.vectors.T).max(axis=1)
    assert 0.6 < np.median(nearest) < 0.95


def test_copies_of_one_text_do_not_make_everything_scanned(tmp_path: Path) -> None:
    copies = np.repeat(topics(COUNT // 20, 0), 20, axis=0)
    assert tuned(copies, tmp_path).index.share <= 0.3


def test_the_share_is_kept_with_the_index(of_topics: Tuned, tmp_path: Path) -> None:
    of_topics.index.save(tmp_path)
    loaded = ClusteredIndex.load(tmp_path, VectorFile(tmp_path, DIMENSION), DIMENSION, EFFORT)
    assert loaded.share == of_topics.index.share


def test_an_index_of_an_older_release_scans_as_much_as_it_may(of_topics: Tuned, tmp_path: Path) -> None:
    assert scanning_all(of_topics, tmp_path).share == 1.0


def test_a_large_index_may_scan_a_share_of_all_beyond_the_fixed_number(
    of_noise: Tuned, tmp_path: Path
) -> None:
    of_noise.index.save(tmp_path)
    questions = noise(60, seed=5)

    def recall(scanned_of_all: float) -> float:
        effort = replace(EFFORT, scanned=1, scanned_of_all=scanned_of_all)
        index = ClusteredIndex.load(tmp_path, VectorFile(tmp_path, DIMENSION), DIMENSION, effort)
        return Tuned(index, of_noise.source, of_noise.vectors).recall(questions)

    assert recall(1.0) == of_noise.recall(questions)
    assert recall(0.0) < recall(0.25) < recall(1.0)


def test_the_least_share_that_finds_enough_is_taken(of_noise: Tuned) -> None:
    """A search that finds nothing below a share, and everything from it on."""
    enough, asked = SHARES[17], set[float]()

    def nearest(_vector: Vectors, share: float) -> Vectors:
        asked.add(share)
        return np.full(TOP, 2.0 if share >= enough else -2.0, dtype=np.float32)

    assert scanned_share(of_noise.source, nearest) == enough
    assert len(asked) < len(SHARES) / 2


def test_where_nothing_is_enough_all_is_scanned(of_noise: Tuned) -> None:
    def nearest(_vector: Vectors, _share: float) -> Vectors:
        return np.full(TOP, -2.0, dtype=np.float32)

    assert scanned_share(of_noise.source, nearest) == 1.0
