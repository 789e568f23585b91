"""What a reranker is worth on held-out documents: nDCG@10 against BM25, and the refusal gate.

Candidates come from a plain BM25 over the split's passages. The gate is measured as the product meets it:
the best score of all candidates, once with the answering passage among them and once with every passage
that holds an answer taken away.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from model.cross_encoder import FEATURES, CrossEncoder
from model.reranker_file import Calibration
from model.tokenizer import EncoderTokenizer, token_budget_batches
from model.train.data import Corpus, Question, Split

_BATCH_TOKENS = 4096
_CHUNK_TOKENS = 200  # the product's longest chunk
_MIX_DECAY = 0.01


@dataclass(frozen=True, slots=True)
class CandidateList:
    """A question's candidates, best first by BM25."""

    question: Question
    passages: list[int]  # corpus indices; the positive is among them
    holds_answer: list[bool]  # the positive, or an answer found in the text


class Bm25:
    """BM25 (Robertson et al., 1994) over WordPiece tokens of one split's passages."""

    def __init__(self, rows: Sequence[Sequence[int]], *, k1: float = 1.2, b: float = 0.75) -> None:
        self._counts = [Counter(row) for row in rows]
        seen = Counter(token for counts in self._counts for token in counts)
        self._idf = {token: math.log(1 + (len(rows) - n + 0.5) / (n + 0.5)) for token, n in seen.items()}
        lengths = np.array([len(row) for row in rows], dtype=np.float64)
        self._norms = k1 * (1 - b + b * lengths / lengths.mean())
        self._k1 = k1

    def scores(self, query: Sequence[int]) -> NDArray[np.float64]:
        """Score of every passage for the query's tokens."""
        total = np.zeros(len(self._counts))
        for token in set(query):
            count = np.array([counts[token] for counts in self._counts], dtype=np.float64)
            total += self._idf.get(token, 0.0) * count * (self._k1 + 1) / (count + self._norms)
        return total


def candidate_lists(
    corpus: Corpus, tokenizer: EncoderTokenizer, split: Split, *, questions: int, candidates: int, seed: int
) -> list[CandidateList]:
    """`questions` lists of `candidates` passages of the split, for questions BM25 finds the positive of."""
    indices = _short_passages(corpus, tokenizer, split)
    index = Bm25(tokenizer.encode([corpus.passages[i].text for i in indices]))
    pool = [item for item in corpus.questions_of(split) if item.source != "retrieval_medquad"]
    random.Random(seed).shuffle(pool)
    lists: list[CandidateList] = []
    for question in pool:
        scores = index.scores(tokenizer.encode([question.text])[0])
        found = [indices[i] for i in np.argsort(-scores, kind="stable")[:candidates]]
        if question.positive in found:
            holds = [_holds_answer(corpus, question, passage) for passage in found]
            lists.append(CandidateList(question, found, holds))
        if len(lists) == questions:
            break
    return lists


def _short_passages(corpus: Corpus, tokenizer: EncoderTokenizer, split: Split) -> list[int]:
    """The split's passages no longer than a chunk, so that no part of one goes unread."""
    indices = [i for i in corpus.passages_of(split) if corpus.passages[i].source != "retrieval_medquad"]
    rows = tokenizer.encode([corpus.passages[i].text for i in indices])
    return [i for i, row in zip(indices, rows, strict=True) if len(row) <= _CHUNK_TOKENS]


def _holds_answer(corpus: Corpus, question: Question, passage: int) -> bool:
    text = corpus.passages[passage].text.casefold()
    return passage == question.positive or any(answer.casefold() in text for answer in question.answers)


@torch.inference_mode()
def list_features(
    model: CrossEncoder,
    tokenizer: EncoderTokenizer,
    corpus: Corpus,
    lists: Sequence[CandidateList],
    max_tokens: int,
) -> Tensor:
    """Features [pairs, 4] of every candidate of every list, lists one after another."""
    rows: list[list[int]] = []
    starts: list[int] = []
    for item in lists:
        question = tokenizer.encode([item.question.text])[0]
        for passage in tokenizer.encode([corpus.passages[index].text for index in item.passages]):
            row, start = tokenizer.pair(question, passage, max_tokens)
            rows.append(row)
            starts.append(start)
    device = model.head.rarity.device
    features = torch.zeros(len(rows), len(FEATURES))
    for batch in token_budget_batches([len(row) for row in rows], _BATCH_TOKENS):
        tokens = tokenizer.pad([rows[i] for i in batch], [starts[i] for i in batch]).to(device)
        features[batch] = model.features(tokens.token_ids, tokens.token_types, tokens.lengths).cpu()
    return features


@torch.inference_mode()
def list_logits(
    model: CrossEncoder, features: Tensor, lists: Sequence[CandidateList]
) -> list[NDArray[np.float64]]:
    """Logits of each list, from the features of all."""
    mixed = model.head.mix(features.to(model.head.rarity.device)).squeeze(-1)
    logits: NDArray[np.float64] = mixed.double().cpu().numpy()
    return np.split(logits, np.cumsum([len(item.passages) for item in lists])[:-1])


def fit_mix(model: CrossEncoder, features: Tensor, lists: Sequence[CandidateList]) -> None:
    """Refit the head's four weights to rank whole candidate lists.

    Training negatives are chosen to share words with the question, which teaches the head to distrust
    the words; among retrieved candidates they are good evidence again.
    """
    mean, spread = features.double().mean(0), features.double().std(0).clamp(min=1e-6)
    scaled = (features.double() - mean) / spread
    parts = torch.split(scaled, [len(item.passages) for item in lists])
    positives = [item.passages.index(item.question.positive) for item in lists]
    weights = torch.zeros(len(FEATURES), dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        losses = [-(part @ weights).log_softmax(0)[at] for part, at in zip(parts, positives, strict=True)]
        loss = torch.stack(losses).mean() + _MIX_DECAY * weights.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        model.head.mix.weight.copy_((weights / spread)[None])
        model.head.mix.bias.copy_(-(weights / spread) @ mean)


def ndcg_at_10(order: Sequence[int], positive: int) -> float:
    """nDCG@10 of a ranking with one relevant passage."""
    rank = list(order).index(positive)
    return 1 / math.log2(rank + 2) if rank < 10 else 0.0


def ranking_quality(
    lists: Sequence[CandidateList], logits: Sequence[NDArray[np.float64]]
) -> dict[str, float]:
    """Mean nDCG@10 of BM25's order and of the reranked one."""
    before = [ndcg_at_10(item.passages, item.question.positive) for item in lists]
    after = [
        ndcg_at_10([item.passages[i] for i in np.argsort(-scores, kind="stable")], item.question.positive)
        for item, scores in zip(lists, logits, strict=True)
    ]
    return {"ndcg@10_before": float(np.mean(before)), "ndcg@10_after": float(np.mean(after)), "n": len(lists)}


def best_logits(
    lists: Sequence[CandidateList], logits: Sequence[NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Best logit of each list as it is, and with all passages that hold an answer taken away."""
    answerable = np.array([scores.max() for scores in logits])
    without = [scores[~np.array(item.holds_answer)] for item, scores in zip(lists, logits, strict=True)]
    return answerable, np.array([scores.max() for scores in without if scores.size])


def fit_calibration(answerable: NDArray[np.float64], unanswerable: NDArray[np.float64]) -> Calibration:
    """Platt scaling on best-of-list logits, both classes weighing the same: 0.5 is an even bet.

    Targets are smoothed as Platt (1999) does, which keeps the slope finite when few lists separate cleanly.
    """
    sizes = len(answerable), len(unanswerable)
    logits = torch.tensor(np.concatenate([answerable, unanswerable]))
    targets = logits.new_tensor(
        [(sizes[0] + 1) / (sizes[0] + 2)] * sizes[0] + [1 / (sizes[1] + 2)] * sizes[1]
    )
    weights = logits.new_tensor([1 / sizes[0]] * sizes[0] + [1 / sizes[1]] * sizes[1])
    line = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)  # slope and offset
    optimizer = torch.optim.LBFGS([line], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = F.binary_cross_entropy_with_logits(
            line[0] * logits + line[1], targets, weight=weights, reduction="sum"
        )
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    slope, offset = line.detach().tolist()
    slope = max(slope, 1e-3)  # a reranker worse than chance still gets a valid file
    return Calibration(temperature=1 / slope, bias=-offset / slope)


def refusal_rates(
    calibration: Calibration,
    answerable: NDArray[np.float64],
    unanswerable: NDArray[np.float64],
    threshold: float = 0.5,
) -> dict[str, float]:
    """Shares refused at `threshold`: of questions whose candidates hold an answer, and of those without."""
    kept, gone = (calibration.probability(torch.tensor(x)).numpy() for x in (answerable, unanswerable))
    return {
        "threshold": threshold,
        "refused_when_answerable": float((kept < threshold).mean()),
        "refused_when_unanswerable": float((gone < threshold).mean()),
        "n_answerable": len(kept),
        "n_unanswerable": len(gone),
    }
