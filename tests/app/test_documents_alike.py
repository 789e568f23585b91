"""Duplicates and near duplicates: noted when a document is stored, shown on both, gone with either."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from app.accounts.types import Account
from app.db import Sessions
from app.doctor_rows import orphaned
from app.documents import alike, removal, storing
from app.documents.blobs import BlobStore
from app.documents.sweeping import sweep
from app.documents.tables import DocumentBand, DocumentLikeness
from app.tables import Document
from ingest.likeness import SKETCH_SIZE, sketch
from tests.app.factories import ingested, upload
from tests.app.test_documents_endpoints import uploaded, work

TEXT = " ".join(f"word{number}" for number in range(400))
NEAR = TEXT.replace("word200", "changed")
OTHER = " ".join(f"other{number}" for number in range(400))


class Library:
    """Stores texts as documents, without parsing them."""

    def __init__(self, sessions: Sessions, blobs: BlobStore, user: Account) -> None:
        self.sessions, self.blobs, self.user = sessions, blobs, user

    def add(self, text: str, name: str = "a.txt", collection: str = "Default") -> int:
        outcome = upload(
            self.sessions,
            self.blobs,
            self.user,
            text.encode(),
            file_name=name,
            collection=collection,
            on_existing="keep_both",
        )
        assert outcome.document_id is not None
        self.store(outcome.document_id, text)
        return outcome.document_id

    def store(self, document_id: int, text: str) -> None:
        with self.sessions.begin() as session:
            document = session.get_one(Document, document_id)
            storing.store(session, document, replace(ingested([text]), sketch=sketch(text)), "hash-64")

    def alike(self, document_id: int) -> list[tuple[int, bool]]:
        with self.sessions() as session:
            found = alike.of_documents(session, [document_id]).get(document_id, [])
        return [(each.document_id, each.same_bytes) for each in found]


@pytest.fixture
def library(sessions: Sessions, blobs: BlobStore, user: Account) -> Library:
    return Library(sessions, blobs, user)


def test_both_show_each_other_and_others_nothing(library: Library) -> None:
    first, copy = library.add(TEXT), library.add(TEXT, "copy.txt")
    near, other = library.add(NEAR), library.add(OTHER)
    elsewhere = library.add(TEXT, collection="Other")
    assert library.alike(first) == [(copy, True), (near, False)]
    assert library.alike(near) == [(first, False), (copy, False)]
    assert library.alike(other) == library.alike(elsewhere) == []
    with library.sessions() as session:
        (found,) = alike.of_documents(session, [near])[near][:1]
    assert (found.file_name, found.same_bytes) == ("a.txt", False)
    assert 0.9 < found.likeness < 1.0


def test_a_new_version_is_compared_anew(library: Library) -> None:
    first, second = library.add(TEXT), library.add(NEAR)
    library.store(second, OTHER)
    assert library.alike(first) == []
    library.store(second, TEXT)
    assert library.alike(first) == [(second, False)]


def test_what_is_deleted_is_not_shown_and_leaves_nothing(library: Library) -> None:
    first, second, third = library.add(TEXT), library.add(NEAR), library.add(TEXT)
    with library.sessions.begin() as session:
        removal.delete_document(session, library.user, first)
    assert library.alike(second) == [(third, False)]
    assert library.add(TEXT + " and more") > 0  # finds no hidden one
    sweep(library.sessions, library.blobs, keep_versions=3)
    with library.sessions() as session:
        assert orphaned(session) == {}
        pairs = select(DocumentLikeness.document_id, DocumentLikeness.other_id)
        assert first not in {each for row in session.execute(pairs) for each in row}
        assert not session.scalar(select(func.count()).where(DocumentBand.document_id == first))


def test_many_copies_cost_what_a_few_do(library: Library) -> None:
    ids = [library.add(TEXT) for _ in range(30)]
    with library.sessions() as session:
        assert session.scalar(select(func.count()).select_from(DocumentLikeness)) == sum(
            min(number, alike.MOST_NOTED) for number in range(30)
        )
    assert library.alike(ids[-1])[0][0] in ids


def test_a_text_without_words_is_like_no_other(library: Library) -> None:
    assert library.alike(library.add("...")) == library.alike(library.add("...")) == []


def test_a_stored_sketch_is_read_as_it_was_written(library: Library) -> None:
    document_id = library.add(TEXT)
    with library.sessions() as session:
        stored = session.scalars(select(Document.sketch).where(Document.id == document_id)).one()
    assert stored is not None
    assert len(stored) == 4 * SKETCH_SIZE
    expected = sketch(TEXT)
    assert expected is not None
    assert np.frombuffer(stored, "<u4").tolist() == expected.tolist()


def test_the_api_shows_them(client: TestClient) -> None:
    first = uploaded(client, "leave.txt", TEXT.encode())
    second = uploaded(client, "leave.md", ("# Leave\n\n" + NEAR).encode())
    work(client)
    (found,) = client.get(f"/v1/documents/{first}").json()["similar"]
    assert (found["document_id"], found["file_name"], found["same_bytes"]) == (second, "leave.md", False)
    items = client.get("/v1/documents").json()["items"]
    assert [each["similar"][0]["document_id"] for each in items] == [first, second]
