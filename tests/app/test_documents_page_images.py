"""The picture of a cited PDF page: the span's lines are marked, and nothing else."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

from app.documents.local import ingest_paths
from app.services import Services
from app.settings import Settings

LINES = ["Everyone has 28 days of leave.", "Pay day is the 25th.", "The office closes at six."]


@pytest.fixture
def document_id(client: TestClient, tmp_path: Path) -> int:
    file = tmp_path / "rules.pdf"
    canvas = Canvas(str(file), pagesize=(300, 200))
    for page in range(2):
        for row, line in enumerate(LINES):
            canvas.drawString(20, 160 - 40 * row, f"{line} Page {page + 1}.")
        canvas.showPage()
    canvas.save()
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    (row,) = ingest_paths(services, [file], "Default", lambda _: None)
    assert row["status"] == "ready", row
    document_id: int = row["document_id"]
    return document_id


def picture(client: TestClient, document_id: int, number: int, **query: object) -> Image.Image:
    response = client.get(f"/v1/documents/{document_id}/pages/{number}/image", params=query)
    assert response.status_code == 200, response.json()
    assert response.headers["content-type"] == "image/png"
    return Image.open(io.BytesIO(response.content)).convert("RGB")


def marked_rows(client: TestClient, document_id: int, number: int, start: int, end: int) -> set[int]:
    """Which thirds of the page hold coloured pixels."""
    image = picture(client, document_id, number, start=start, end=end, scale=1)
    rows = set()
    for y in range(image.height):
        for x in range(image.width):
            red, green, blue = image.getpixel((x, y))  # type: ignore[misc]
            if max(red, green, blue) - min(red, green, blue) > 40:
                rows.add(y // 40)
    return rows


def span(client: TestClient, document_id: int, number: int, line: str) -> tuple[int, int]:
    page = client.get(f"/v1/documents/{document_id}/pages/{number}").json()
    start = page["start"] + page["text"].index(line)
    return start, start + len(line)


def test_the_line_of_the_span_is_marked(client: TestClient, document_id: int) -> None:
    places = [
        marked_rows(client, document_id, 1, *span(client, document_id, 1, line))
        for line in (LINES[0], LINES[2])
    ]
    assert places[0]
    assert places[1]
    assert max(places[0]) < min(places[1])


def test_a_span_on_another_page_marks_nothing(client: TestClient, document_id: int) -> None:
    start, end = span(client, document_id, 2, LINES[0])
    assert marked_rows(client, document_id, 1, start, end) == set()


def test_a_span_over_two_pages_marks_its_part_on_each(client: TestClient, document_id: int) -> None:
    start, _ = span(client, document_id, 1, LINES[2])
    _, end = span(client, document_id, 2, LINES[0])
    assert marked_rows(client, document_id, 1, start, end)
    assert marked_rows(client, document_id, 2, start, end)


def test_the_scale_is_pixels_a_point(client: TestClient, document_id: int) -> None:
    assert picture(client, document_id, 1, scale=0.5).size == (150, 100)


@pytest.mark.parametrize("query", [{"start": 1}, {"end": 1}, {"start": 5, "end": 4}, {"start": -1, "end": 4}])
def test_half_a_span_is_refused(client: TestClient, document_id: int, query: dict[str, int]) -> None:
    response = client.get(f"/v1/documents/{document_id}/pages/1/image", params=query)
    assert (response.status_code, response.json()["code"]) == (422, "request_invalid")


def test_a_page_without_its_file_has_no_picture(client: TestClient, document_id: int) -> None:
    services: Services = client.app.state.services  # type: ignore[attr-defined]
    for digest in list(services.blobs.digests()):
        services.blobs.delete(digest)
    response = client.get(f"/v1/documents/{document_id}/pages/1/image")
    assert (response.status_code, response.json()["code"]) == (404, "page_image_unavailable")


def test_pages_are_drawn_where_the_next_start_sweeps(
    client: TestClient,
    document_id: int,
    settings: Settings,
    build: Callable[[Settings], Services],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A killed process leaves the folder it drew in, with a page in it."""
    monkeypatch.setattr(tempfile, "tempdir", str(settings.data_dir / "none"))  # nothing can be put there
    picture(client, document_id, 1)
    left = settings.data_dir / "pictures" / "work-killed" / "footnote-parse-killed" / "page.png"
    left.parent.mkdir(parents=True)
    left.touch()
    services = build(settings)
    assert not left.parents[1].exists()
    picture(client, document_id, 1)
    services.close()
    assert not services.pictures.path.exists()
