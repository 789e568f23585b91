"""Reads of sites of the fake API: every listing takes in one page, unless they are held."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.responses import Response

from tests.ui.fake_chat import Strict
from tests.ui.fake_state import FakeState, refused

TIME = "2026-03-12T09:{:02}:00Z"
PRIVATE = {
    "code": "url_address_private",
    "stage": "fetched",
    "cause": "127.0.0.1 leads to 127.0.0.1, which is not a public address.",
    "next_step": "Only public addresses are read. Save the page as a file and upload that.",
}
FORBIDDEN = {
    "code": "url_robots_disallowed",
    "stage": "fetched",
    "cause": "The robots.txt of example.org does not allow it.",
    "next_step": "Save the page as a file and upload that.",
}
INTERRUPTED = {
    "code": "site_read_interrupted",
    "stage": "fetched",
    "cause": "The service was restarted while it read this site.",
    "next_step": "Read the address again: pages that have not changed since are not read twice.",
}


class UrlToRead(Strict):
    url: str
    depth: int
    pages: int


def add_sites(app: FastAPI, state: FakeState) -> None:
    @app.post("/v1/collections/{collection_id}/urls", status_code=202)
    def read_urls(collection_id: int, body: UrlToRead) -> Any:
        if not body.url.startswith("http"):
            return refused(422, "url_invalid", f"{body.url!r} is not an address of a site.")
        if sum(each["status"] == "running" for each in state.reads.values()) == 2:
            return refused(429, "too_many_site_reads", "2 sites are being read into this collection already.")
        state.urls.append((body.url, body.depth, body.pages))
        read = {
            "id": state.new_id(), "collection_id": collection_id, "url": body.url, "depth": body.depth,
            "pages": body.pages, "status": "running", "cancel_requested": False, "current": body.url,
            "waiting": 0, "size_bytes": 0, "elapsed_s": 0.4, "documents": [], "error": None,
            "created_at": TIME.format(2 * len(state.urls)), "finished_at": None,
        }  # fmt: skip
        state.reads[read["id"]] = read
        return read

    @app.get("/v1/site-reads")
    def list_reads(collection_id: int, limit: int) -> Any:
        mine = [each for each in reversed(state.reads.values()) if each["collection_id"] == collection_id]
        for each in mine:
            if each["status"] == "running" and not state.reads_held:
                take_in(state, each)
        return {"items": [counted(each) for each in mine[:limit]]}

    @app.post("/v1/site-reads/{read_id}/cancel", status_code=202)
    def cancel_read(read_id: int) -> Any:
        end(state.reads[read_id], "cancelled")
        return state.reads[read_id]

    @app.delete("/v1/site-reads/{read_id}", status_code=204)
    def delete_read(read_id: int) -> Response:
        del state.reads[read_id]
        return Response(status_code=204)


def take_in(state: FakeState, read: dict[str, Any]) -> None:
    """One more page; the third of a site is forbidden, and is its last."""
    number = len(read["documents"]) + 1
    url = read["url"] if number == 1 else f"{read['url'].rstrip('/')}/page-{number}"
    error = PRIVATE if "127.0.0.1" in url else FORBIDDEN if number == 3 else None
    outcome: dict[str, Any] = {"file_name": url, "url": url, "status": "rejected", "error": error}
    if error is None:
        document_id = state.add_document(url, 9000, read["collection_id"])
        outcome |= {"status": "queued", "document_id": document_id}
        read["size_bytes"] += 9000
    read["documents"].append(outcome)
    read.update(current=f"{url}/next", waiting=4, elapsed_s=1.0 * number)
    if number == min(3, read["pages"]):
        end(read, "failed" if error == PRIVATE else "done")
        read["error"] = PRIVATE if error == PRIVATE else None


def end(read: dict[str, Any], status: str) -> None:
    minute = int(read["created_at"][14:16]) + 1
    read.update(status=status, current=None, finished_at=TIME.format(minute))


def counted(read: dict[str, Any]) -> dict[str, Any]:
    statuses = [each["status"] for each in read["documents"]]
    names = {"added": "queued", "unchanged": "duplicate", "refused": "rejected"}
    counts = {name: statuses.count(status) for name, status in names.items()}
    return {**read, **counts, "pages_left": read["pages"] - len(statuses)}
