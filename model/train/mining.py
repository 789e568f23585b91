"""Hard negatives that the encoder finds: passages close to a question that do not answer it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from model.device import choose_device
from model.embedder import Embedder
from model.train.data import Corpus, Question

# A negative closer to the question than this share of the positive's cosine is probably an answer itself
# (the positive-aware threshold of NV-Retriever, Moreira et al., 2024).
_MOST_OF_POSITIVE = 0.95
_POOL = 40  # neighbours that are looked at
_QUESTIONS = 1024  # compared with all passages at a time


def with_mined_negatives(corpus: Corpus, embedder: Embedder, count: int) -> Corpus:
    """The corpus with up to `count` more negatives for every training question, from training passages."""
    pool = corpus.passages_of("train")
    device = choose_device()
    passages = torch.from_numpy(embedder.encode([corpus.passages[index].text for index in pool])).to(device)
    place = {index: at for at, index in enumerate(pool)}
    asked = [at for at, question in enumerate(corpus.questions) if corpus.split_of(question) == "train"]
    vectors = torch.from_numpy(embedder.encode([corpus.questions[at].text for at in asked])).to(device)
    questions = list(corpus.questions)
    for first in range(0, len(asked), _QUESTIONS):
        part = asked[first : first + _QUESTIONS]
        cosines = vectors[first : first + _QUESTIONS] @ passages.T
        own = cosines[range(len(part)), [place[questions[at].positive] for at in part]]
        near = cosines.topk(min(_POOL, len(pool)))
        fit = near.values < _MOST_OF_POSITIVE * own[:, None]
        for at, found, allowed in zip(part, near.indices.tolist(), fit.tolist(), strict=True):
            close = [pool[i] for i, ok in zip(found, allowed, strict=True) if ok]
            questions[at] = _with(corpus, questions[at], close, count)
    return Corpus(corpus.passages, questions)


def _with(corpus: Corpus, question: Question, close: Sequence[int], count: int) -> Question:
    """The question with the closest passages that hold none of its answers."""
    known = {question.positive, *question.negatives, *question.near_misses}
    answers = [answer.casefold() for answer in question.answers]
    fresh = []
    for index in close:
        text = corpus.passages[index].text.casefold()
        if index not in known and not any(answer in text for answer in answers):
            fresh.append(index)
        if len(fresh) == count:
            break
    return replace(question, negatives=(*question.negatives, *fresh))
