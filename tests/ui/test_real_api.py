"""The client against the real service on deterministic models: it is understood, and it understands."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.db import create_engine, migrate
from app.documents.blobs import BlobStore
from app.jobs.worker import run_worker
from app.main import create_app
from app.services import Services
from app.settings import Settings
from tests.fakes import fake_models
from tests.ingest.samples import pdf
from tests.ui.serving import serve
from ui.asking import Asking
from ui.client import ApiError, Client
from ui.schemas import AskCitations, AskDone, AskQuestion, AskSources, AskToken, Upload

HANDBOOK = Path(__file__).resolve().parents[2] / "samples" / "files" / "employee-handbook.pdf"
QUESTION = "Who alerts the harbour rescue when a crew is 45 minutes overdue?"


@pytest.fixture
def real_client(settings: Settings, build: Callable[[Settings], Services]) -> Iterator[Client]:
    with serve(create_app(settings, build)) as url:
        client = Client(url)
        yield client
        client.close()


@pytest.fixture
def handbook(real_client: Client, settings: Settings) -> Upload:
    """The handbook, uploaded and read by a worker."""
    with HANDBOOK.open("rb") as stream:
        uploaded = real_client.upload(HANDBOOK.name, stream, real_client.collections()[0].id)
    read_waiting(settings)
    return uploaded


def read_waiting(settings: Settings) -> None:
    """A worker until nothing waits."""
    migrate(settings.resolved_database_url)
    engine = create_engine(settings.resolved_database_url)
    blobs = BlobStore(settings.data_dir / "blobs")
    run_worker(settings, engine, blobs, fake_models().ingest, stop=threading.Event(), until_idle=True)
    engine.dispose()


def test_upload_ask_and_open_the_page(real_client: Client, handbook: Upload):
    document = real_client.document(handbook.document_id)
    assert (document.status, document.page_count) == ("ready", 6)
    assert document.chunk_count > 6

    events = list(real_client.ask(Asking(QUESTION, (document.collection_id,)), conversation_id=None))
    kinds = [type(event) for event in events]
    assert kinds[:2] == [AskQuestion, AskSources]
    assert kinds[-2:] == [AskCitations, AskDone]
    assert set(kinds[2:-2]) == {AskToken}
    citation = events[-1].citations[0]
    assert (citation.file_name, citation.page) == (HANDBOOK.name, 4)
    image = real_client.page_image(document.id, citation.page, citation.start, citation.end)
    assert image.startswith(b"\x89PNG")

    stored = real_client.conversation(events[-1].conversation_id)
    assert stored.messages[0].citations == events[-1].citations
    assert [each.id for each in real_client.conversations()] == [stored.id]


def test_search_collections_cancel_and_delete(real_client: Client, handbook: Upload):
    result = real_client.search(QUESTION, [])
    assert result.evidence.enough
    assert result.hits[0].scores.rerank == result.evidence.best

    other = real_client.create_collection("Empty")
    assert real_client.search(QUESTION, [other.id]).hits == []
    asked = list(real_client.ask(Asking(QUESTION, (other.id,)), conversation_id=None))
    assert asked[-1].state == "refused"
    real_client.cancel(asked[0].message_id)
    real_client.delete_conversation(asked[0].conversation_id)
    assert real_client.conversations() == []
    real_client.delete_collection(other.id)
    assert [each.name for each in real_client.collections()] == ["Default"]

    assert real_client.documents(status="ready", limit=1).total == 1
    assert real_client.document_file(handbook.document_id) == HANDBOOK.read_bytes()
    real_client.delete_document(handbook.document_id)
    assert real_client.documents().total == 0


def test_a_protected_pdf_is_opened_by_its_password(real_client: Client, settings: Settings):
    protected = io.BytesIO(pdf(["The code of the safe is 4711."], password="sesame"))
    uploaded = real_client.upload("safe.pdf", protected, real_client.collections()[0].id)
    read_waiting(settings)
    document = real_client.document(uploaded.document_id)
    assert (document.status, document.error.code) == ("failed", "file_encrypted")
    real_client.retry_document(uploaded.document_id, "sesame")
    read_waiting(settings)
    assert real_client.document(uploaded.document_id).status == "ready"


def test_failures_of_the_service_keep_their_code(real_client: Client, tmp_path: Path):
    empty = tmp_path / "empty.txt"
    empty.touch()
    with empty.open("rb") as stream, pytest.raises(ApiError) as refused:
        real_client.upload(empty.name, stream, None)
    assert refused.value.failure.code == "file_empty"
    with pytest.raises(ApiError) as missing:
        real_client.conversation(999)
    assert missing.value.failure.code == "conversation_not_found"
