"""What collections ask of evidence and answers, and the gate that this makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.tables import Collection
from retrieval.types import AccessFilter, Hit, SearchConfig, SearchResult


def own_thresholds(session: Session, access: AccessFilter) -> dict[int, float]:
    """Thresholds by collection, of those in scope that have their own."""
    statement = select(Collection.id, Collection.evidence_threshold).where(
        Collection.id.in_(access.collection_ids), Collection.evidence_threshold.is_not(None)
    )
    return {row[0]: row[1] for row in session.execute(statement) if row[1] is not None}


def own_surenesses(session: Session, access: AccessFilter) -> dict[int, float]:
    """How sure answers must be by collection, of those in scope that say so themselves."""
    statement = select(Collection.id, Collection.min_sureness).where(
        Collection.id.in_(access.collection_ids), Collection.min_sureness.is_not(None)
    )
    return {row[0]: row[1] for row in session.execute(statement) if row[1] is not None}


def gated(
    result: SearchResult,
    own: Mapping[int, float],
    config: SearchConfig,
    surenesses: Mapping[int, float] | None = None,
) -> SearchResult:
    """The result with every passage held against its own collection's threshold.

    The best passage that reaches its threshold opens the gate; without one the best passage says by how much
    it is short. The answer must be as sure as that passage's collection asks. Pure.
    """
    scored = [hit for hit in result.hits if hit.rerank is not None]
    surenesses = surenesses or {}
    if not (own or surenesses) or not scored:
        return result

    def threshold(hit: Hit) -> float:
        return own.get(hit.chunk.collection_id, config.evidence_threshold)

    def score(hit: Hit) -> float:
        return hit.rerank or 0.0

    passing = [hit for hit in scored if score(hit) >= threshold(hit)]
    deciding = max(passing or scored, key=score)
    return replace(
        result,
        best_score=deciding.rerank,
        threshold=threshold(deciding),
        enough_evidence=bool(passing),
        min_sureness=surenesses.get(deciding.chunk.collection_id, config.min_sureness),
    )
