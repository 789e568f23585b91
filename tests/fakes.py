"""Deterministic test doubles: the whole service runs on these without weights."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from app.services import AnswerTemplate, GenerateOptions, IngestModels, Models
from model.prompt_template import PromptTemplate
from retrieval.types import Vectors

WORD = re.compile(r"\w+")
DIMENSION = 64
STOP_WORDS = frozenset(
    {
        "a",
        "an",
        "and",
        "are",
        "at",
        "by",
        "did",
        "do",
        "does",
        "for",
        "from",
        "how",
        "in",
        "is",
        "it",
        "of",
        "on",
        "or",
        "the",
        "to",
        "was",
        "what",
        "when",
        "where",
        "which",
        "who",
        "why",
    }
)


def words(text: str) -> list[str]:
    return [word.casefold() for word in WORD.findall(text)]


def hash_encode(texts: Sequence[str], dimension: int = DIMENSION) -> Vectors:
    """Bag of hashed words, unit length: texts that share words are near."""
    vectors = np.zeros((len(texts), dimension), dtype=np.float32)
    for row, text in enumerate(texts):
        for word in words(text):
            digest = hashlib.blake2b(word.encode(), digest_size=4).digest()
            vectors[row, int.from_bytes(digest, "little") % dimension] += 1.0
        vectors[row, 0] += 1e-3  # never a zero vector
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def overlap_score(pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    """Share of the question's content words that stand in the passage."""
    scores = []
    for question, passage in pairs:
        asked = set(words(question)) - STOP_WORDS
        scores.append(len(asked & set(words(passage))) / len(asked) if asked else 0.0)
    return np.asarray(scores, dtype=np.float32)


def overlap_verify(pairs: Sequence[tuple[str, str]]) -> np.ndarray:
    """Supported as far as the claim's last words are held, contradicted where one text alone says "not"."""
    rows = []
    for claim, passage in pairs:
        said = [word for word in words(claim.rpartition("?")[2]) if word not in STOP_WORDS]
        held = len(set(said) & set(words(passage))) / len(set(said)) if said else 0.0
        denied = held > 0.5 and ("not" in words(claim)) != ("not" in words(passage))
        rows.append((0.0, held, 1 - held) if denied else (held, 0.0, 1 - held))
    return np.asarray(rows, dtype=np.float32).reshape(-1, 3)


def word_spans(text: str) -> list[tuple[int, int]]:
    """One token a word."""
    return [match.span() for match in WORD.finditer(text)]


class EchoGenerator:
    """Answers with the first sentence of the best passage and its marker, word by word."""

    id = "echo"
    context_tokens = 4096

    def __init__(self, answer: str | None = None, template: AnswerTemplate | None = None) -> None:
        self.answer = answer
        self.template: AnswerTemplate = template or PromptTemplate()
        self.prompts: list[str] = []

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def generate(
        self, segments: tuple[str, ...], options: GenerateOptions, cancelled: Callable[[], bool]
    ) -> Iterator[str]:
        self.prompts.append("".join(segments))
        answer = self.answer if self.answer is not None else self._first_sentence(segments)
        for piece in re.findall(r"\s*\S+", answer)[: options.max_new_tokens]:
            if cancelled():
                return
            if options.told_token is not None:
                options.told_token(zlib.crc32(piece.encode()))
            yield piece

    @staticmethod
    def _first_sentence(segments: Sequence[str]) -> str:
        """The segment before the question is the best passage; its headings are not part of it."""
        number, passage = re.findall(r"^\[(\d+)\] (?:[^:.!?]+: )*(.+)$", segments[-2], flags=re.MULTILINE)[0]
        sentence = re.split(r"(?<=[.!?])\s", passage)[0]
        return f" {sentence} [{number}]"


def fake_ingest_models() -> IngestModels:
    return IngestModels(encoder_id="hash-64", dimension=DIMENSION, encode=hash_encode, token_spans=word_spans)


def fake_models(generator: EchoGenerator | None = None) -> Models:
    return Models(
        ingest=fake_ingest_models(),
        reranker_id="overlap",
        score_pairs=overlap_score,
        verifier_id="overlap-verifier",
        verify=overlap_verify,
        generator=generator or EchoGenerator(),
    )
