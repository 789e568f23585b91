"""Documents of an older release get their sketch from stored text: by an idle worker, or by the doctor."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from sqlalchemy import delete, select, update

from app.accounts.types import Account
from app.db import Sessions
from app.doctor import check, fix
from app.documents import alike, sketching
from app.documents.blobs import BlobStore
from app.documents.local import ingest_paths
from app.documents.tables import DocumentBand, DocumentLikeness
from app.jobs.worker import run_worker
from app.services import Services
from app.tables import Document
from ingest.likeness import sketch
from tests.app.test_documents_alike import NEAR, OTHER, TEXT, Library


def forget_all(sessions: Sessions) -> None:
    """As an older release left them."""
    with sessions.begin() as session:
        session.execute(delete(DocumentBand))
        session.execute(delete(DocumentLikeness))
        session.execute(update(Document).values(sketch=None))


@pytest.fixture
def library(sessions: Sessions, blobs: BlobStore, user: Account) -> Library:
    return Library(sessions, blobs, user)


def test_the_sketch_from_stored_text_is_the_one_that_reading_makes(library: Library) -> None:
    first, near, other = library.add(TEXT), library.add(NEAR), library.add(OTHER)
    before = {each: library.alike(each) for each in (first, near, other)}
    forget_all(library.sessions)
    assert library.alike(first) == []
    with library.sessions() as session:
        assert list(sketching.missing(session)) == [first, near, other]
    sketching.sketch_all(library.sessions)
    assert {each: library.alike(each) for each in (first, near, other)} == before
    assert before[first] == [(near, False)]
    expected = sketch(TEXT)
    assert expected is not None
    with library.sessions() as session:
        stored = session.scalars(select(Document.sketch).where(Document.id == first)).one()
    assert stored == expected.astype("<u4").tobytes()


def test_a_text_without_words_is_looked_at_once(library: Library) -> None:
    library.add("...")
    forget_all(library.sessions)
    assert sketching.sketch_next(library.sessions)
    assert not sketching.sketch_next(library.sessions)


def test_a_document_that_was_never_read_is_left_alone(library: Library) -> None:
    document_id = library.add(TEXT)
    forget_all(library.sessions)
    with library.sessions.begin() as session:
        session.execute(
            update(Document).where(Document.id == document_id).values(ready_version=None, status="failed")
        )
    assert not sketching.sketch_next(library.sessions)


def test_what_is_stored_meanwhile_is_kept(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between reading the text and writing the sketch a worker may store a new version."""
    document_id = library.add(TEXT)
    library.add(OTHER)
    forget_all(library.sessions)
    plain: Callable[[str], object] = sketch

    def slowly(text: str) -> object:
        monkeypatch.undo()
        library.store(document_id, OTHER)
        return plain(text)

    monkeypatch.setattr(sketching, "sketch", slowly)
    sketching.sketch_all(library.sessions)
    with library.sessions() as session:
        assert session.get_one(Document, document_id).sketch == sketch(OTHER).astype("<u4").tobytes()  # type: ignore[union-attr]


@pytest.fixture
def two_alike(services: Services, tmp_path) -> tuple[int, int]:
    paths = [tmp_path / "one.txt", tmp_path / "two.txt"]
    for path, text in zip(paths, (TEXT, NEAR), strict=True):
        path.write_text(text)
    rows = ingest_paths(services, paths, "Default", lambda _: None)
    forget_all(services.sessions)
    return rows[0]["document_id"], rows[1]["document_id"]


def found(services: Services, document_id: int) -> list[int]:
    with services.sessions() as session:
        alike_ones = alike.of_documents(session, [document_id]).get(document_id, [])
    return [each.document_id for each in alike_ones]


def test_the_doctor_names_and_makes_them(services: Services, two_alike: tuple[int, int]) -> None:
    (problem,) = check(services).problems
    assert (problem.code, problem.count) == ("sketch_missing", 2)
    assert fix(services).ok
    assert found(services, two_alike[0]) == [two_alike[1]]


def test_an_idle_worker_makes_them(services: Services, two_alike: tuple[int, int]) -> None:
    stop = threading.Event()
    worker = threading.Thread(
        target=run_worker,
        args=(services.settings, services.engine, services.blobs, services.models.ingest),
        kwargs={"stop": stop},
    )
    worker.start()
    give_up = time.monotonic() + 20
    while found(services, two_alike[0]) != [two_alike[1]] and time.monotonic() < give_up:
        time.sleep(0.02)
    stop.set()
    worker.join(20)
    assert found(services, two_alike[0]) == [two_alike[1]]
    assert check(services).ok
