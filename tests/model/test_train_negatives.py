"""Questions made of sentences, negatives found by the encoder, batches made in another process."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from model.embedder import Embedder
from model.train.ahead import made_ahead
from model.train.cloze import CLOZE, keywords, with_cloze
from model.train.data import Corpus, Passage, Question, split_of
from model.train.mining import with_mined_negatives

SENTENCES = (
    "The ferry leaves the northern pier at nine every morning.",
    "Its captain has sailed the narrow strait for thirty years.",
    "Tickets are sold in the red house behind the harbour office.",
)


def corpus(count: int = 30) -> Corpus:
    passages = [
        Passage(f"Harbour {n}. {' '.join(SENTENCES)}", f"title {n}", "qa_qed_nq", f"document {n}")
        for n in range(count)
    ]
    return Corpus(passages, [])


def test_a_sentence_looks_for_the_passage_it_was_taken_from() -> None:
    before = corpus()
    made = with_cloze(before, 5, random.Random(2))
    assert made.passages[: len(before.passages)] == before.passages
    assert len(made.questions) == 5
    for question in made.questions:
        text = made.passages[question.positive].text
        assert question.source == CLOZE
        assert question.text not in text
        assert question.answers[0] in text
        assert question.text in SENTENCES or question.text in [keywords(each) for each in SENTENCES]
        assert made.split_of(question) == "train"


def test_keywords_leave_the_stop_words_out() -> None:
    assert keywords("What is the height of the bridge?") == "height bridge"


class CountingEncoder:
    """Texts as unit vectors of how often they name each fruit."""

    fruits = ("apple", "pear", "plum")

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        counts = np.array([[text.count(fruit) + 0.01 for fruit in self.fruits] for text in texts])
        return (counts / np.linalg.norm(counts, axis=1, keepdims=True)).astype(np.float32)


def test_mined_negatives_are_close_and_hold_no_answer() -> None:
    texts = [
        "apple apple pear: it weighs 90 grams",  # the positive
        "apple pear plum: nothing is weighed",
        "apple pear plum: but here it weighs 90 grams too",
        "plum plum plum",
        "apple apple pear, as close to the question as the positive",
    ]
    names = (f"{n}" for n in range(1000))
    training = (name for name in names if split_of(Passage("", "", "qa_qed_nq", name)) == "train")
    passages = [Passage(text, "", "qa_qed_nq", name) for text, name in zip(texts, training, strict=False)]
    question = Question("apple apple pear", 0, (), (), ("90 grams",), "qa_qed_nq")

    mined = with_mined_negatives(Corpus(passages, [question]), cast(Embedder, CountingEncoder()), 1)

    assert mined.questions[0].negatives == (1,)


def test_batches_made_ahead_come_from_all_parts_in_turn() -> None:
    def make(part: int, parts: int) -> Iterator[list[int]]:
        return ([part, parts, n] for n in range(10**9))

    batches = list(islice(made_ahead(make, parts=2, waiting=2), 6))

    assert batches == [[part, 2, n] for n in range(3) for part in range(2)]


@pytest.mark.parametrize("count", [0, 1000])
def test_no_more_sentences_than_there_are(count: int) -> None:
    made = with_cloze(corpus(), count, random.Random(1))
    training = len(corpus().passages_of("train"))
    assert len(made.questions) == min(count, training)
