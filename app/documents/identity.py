"""What becomes of a file whose bytes or name a collection has already (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.tables import Document

OnExisting = Literal["skip", "replace", "keep_both"]
"""skip: nothing new for bytes that are here; replace: a new version; keep_both: a document of its own."""

Action = Literal["add", "skip", "retry", "new_version"]


@dataclass(frozen=True, slots=True)
class Known:
    """What the collection has: the document named by the caller, of the same bytes, of the same name."""

    named: Document | None
    same_bytes: Document | None
    same_name: Document | None


@dataclass(frozen=True, slots=True)
class Decision:
    """`document` is what the action concerns; `offer` is one that this file could be a new version of."""

    action: Action
    document: Document | None = None
    offer: Document | None = None


def decide(known: Known, sha256: str, on_existing: OnExisting) -> Decision:
    """What to do with a file of this digest.

    Bytes that are here already are never read twice unless asked for; a failed document is tried again. A
    file with a known name and other bytes is kept as its own document and offered as a new version.
    """
    if on_existing == "keep_both":
        return Decision("add")
    if on_existing == "replace":
        target = known.named or known.same_name or known.same_bytes
        return Decision("add") if target is None else _replace(target, sha256)
    if known.same_bytes is not None:
        return _retry_or_skip(known.same_bytes)
    return Decision("add", offer=known.same_name)


def _replace(target: Document, sha256: str) -> Decision:
    """The same bytes are a new version too once they have been read: parsers and chunking improve."""
    if target.sha256 != sha256 or target.status == "ready":
        return Decision("new_version", target)
    return _retry_or_skip(target)


def _retry_or_skip(document: Document) -> Decision:
    """What has these very bytes: only where they failed there is something to do."""
    return Decision("retry" if document.status == "failed" else "skip", document)
