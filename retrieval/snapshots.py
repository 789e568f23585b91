"""Index snapshots on disk: written whole or not at all, and never believed without their checksums.

A snapshot is a folder with a manifest. It is staged elsewhere, fsynced, then renamed into place, so a crash
leaves either the old one or the new one. A manifest that does not match its files is damage, and says so.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from retrieval.analysis import ANALYSIS_VERSION

FORMAT = f"1.{ANALYSIS_VERSION}"  # the layout of the files, then the rules that made their terms
_MANIFEST = "manifest.json"
_PREFIX = "snapshot-"


class SnapshotUnusable(Exception):
    """This snapshot must not be loaded; the message says why."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a snapshot says about itself."""

    encoder_id: str
    dimension: int
    last_change_id: int  # every row of `index_changes` up to this one is inside
    count: int  # chunks
    format: str = FORMAT


def list_snapshots(folder: Path) -> list[Path]:
    """Snapshots in `folder`, newest first: the name carries the change id."""
    return sorted(folder.glob(f"{_PREFIX}*"), reverse=True)


def read_verified(snapshot: Path, *, encoder_id: str, dimension: int) -> Manifest:
    """The manifest, after every file matched its SHA-256.

    Raises SnapshotUnusable when it is torn, of another format, or made by another encoder.
    """
    values = _read_json(snapshot / _MANIFEST)
    files = values.pop("files")
    manifest = _manifest(snapshot, values)
    if manifest.format != FORMAT:
        raise SnapshotUnusable(f"{snapshot.name} has format {manifest.format}, this release reads {FORMAT}")
    if (manifest.encoder_id, manifest.dimension) != (encoder_id, dimension):
        raise SnapshotUnusable(
            f"{snapshot.name} was made by encoder {manifest.encoder_id} ({manifest.dimension} dimensions), "
            f"the encoder now is {encoder_id} ({dimension} dimensions)"
        )
    for name, checksum in files.items():
        if not (snapshot / name).is_file():
            raise SnapshotUnusable(f"{snapshot.name}: {name} is missing")
        if _sha256(snapshot / name) != checksum:
            raise SnapshotUnusable(f"{snapshot.name}: {name} differs from its checksum")
    return manifest


def seal(staged: Path, manifest: Manifest) -> None:
    """Write the manifest of a staged snapshot and force everything onto the disk."""
    files = sorted(path for path in staged.rglob("*") if path.is_file())
    values = asdict(manifest) | {"files": {str(file.relative_to(staged)): _sha256(file) for file in files}}
    content = json.dumps(values | {"checksum": _checksum(values)}, indent=1, sort_keys=True)
    (staged / _MANIFEST).write_text(content, encoding="utf-8")
    for path in [*staged.rglob("*"), staged]:
        _fsync(path)


def publish(staged: Path, folder: Path, manifest: Manifest) -> None:
    """Rename a sealed snapshot into `folder` and remove the others; call it inside `exclusive(folder)`.

    When another process has published a later state meanwhile, that one stays and this one is dropped.
    """
    others = list_snapshots(folder)
    if any(_is_later(other, manifest) for other in others):
        shutil.rmtree(staged)
        return
    # the random part keeps a damaged snapshot of the same change id from being in the way
    staged.rename(folder / f"{_PREFIX}{manifest.last_change_id:020d}-{uuid.uuid4().hex[:8]}")
    _fsync(folder)
    remove(others)


def remove(snapshots: list[Path]) -> None:
    """Delete snapshots; call it inside `exclusive` of their folder."""
    for snapshot in snapshots:
        shutil.rmtree(snapshot)


def _is_later(snapshot: Path, manifest: Manifest) -> bool:
    try:
        other = read_verified(snapshot, encoder_id=manifest.encoder_id, dimension=manifest.dimension)
    except SnapshotUnusable:
        return False
    return other.last_change_id > manifest.last_change_id


def _read_json(path: Path) -> dict[str, Any]:
    """The manifest's values, after its own checksum matched."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        checksum = values.pop("checksum")
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise SnapshotUnusable(f"{path.parent.name}: {path.name} cannot be read ({error!r})") from error
    if checksum != _checksum(values):
        raise SnapshotUnusable(f"{path.parent.name}: {path.name} differs from its checksum")
    return dict(values)


def _manifest(snapshot: Path, values: dict[str, Any]) -> Manifest:
    try:
        return Manifest(**values)
    except TypeError as error:
        raise SnapshotUnusable(f"{snapshot.name} has format {values.get('format')}: {error}") from error


def _checksum(values: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
