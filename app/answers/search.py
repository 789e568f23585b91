"""One search for chat, API, command line and evals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from sqlalchemy.orm import Session

from app.accounts.types import Account
from app.documents.index_sync import access_filter, catch_up, load_chunks
from app.errors import IndexDamaged, QuestionTooLong
from app.gate.thresholds import gated, own_surenesses, own_thresholds
from app.services import Services
from retrieval.searcher import Searcher
from retrieval.types import AccessFilter, Chunk, SearchConfig, SearchResult, VectorsLost


def check_length(services: Services, question: str) -> None:
    """Raises QuestionTooLong when the question is over the limit."""
    tokens = services.models.generator.count_tokens(question)
    limit = services.settings.max_question_tokens
    if tokens > limit:
        raise QuestionTooLong(f"The question has {tokens} tokens; at most {limit} are accepted.")


def scope(
    services: Services,
    session: Session,
    user: Account,
    collection_ids: Sequence[int] | None,
    document_ids: Sequence[int] | None,
) -> AccessFilter:
    """What the question may see, after the indexes have taken in everything committed so far."""
    with _damage_named():
        catch_up(session, services.index, encoder_id=services.models.ingest.encoder_id)
    return access_filter(session, user, collection_ids, document_ids, services.index)


def find(
    services: Services,
    session: Session,
    user: Account,
    question: str,
    access: AccessFilter,
    config: SearchConfig,
    carried: Sequence[int] = (),
) -> SearchResult:
    """Passages best first, and whether they are evidence enough to answer from.

    `carried` chunks are ranked beside what is found.
    """
    result, missing = _search(services, session, user, question, access, config, carried)
    if missing - set(carried):  # the index moved on while we searched: a version was replaced just now
        with services.sessions() as fresh:
            catch_up(fresh, services.index, encoder_id=services.models.ingest.encoder_id)
            result, _ = _search(services, fresh, user, question, access, config, carried)
    if not config.own_thresholds:
        return result
    return gated(result, own_thresholds(session, access), config, own_surenesses(session, access))


def _search(
    services: Services,
    session: Session,
    user: Account,
    question: str,
    access: AccessFilter,
    config: SearchConfig,
    carried: Sequence[int],
) -> tuple[SearchResult, set[int]]:
    """The result, and the chunks that the index found and SQL does not show."""
    models, missing = services.models, set[int]()
    load = load_chunks(session, user)

    def noted(chunk_ids: Sequence[int]) -> Mapping[int, Chunk]:
        chunks = load(chunk_ids)
        missing.update(set(chunk_ids) - chunks.keys())
        return chunks

    searcher = Searcher(services.index, models.ingest.encode, models.score_pairs, noted)
    with _damage_named():
        return searcher.search(question, access, config, carried), missing


@contextmanager
def _damage_named() -> Iterator[None]:
    """Vectors that are gone are rebuilt by the index's follower, soon and by itself."""
    try:
        yield
    except VectorsLost as error:
        raise IndexDamaged("The vectors of the index were cut while they were in use.") from error
