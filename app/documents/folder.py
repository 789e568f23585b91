"""Keeps one collection equal to a file or folder on disk, for `footnote ask --docs PATH`.

Files are compared by SHA-256, so an unchanged folder costs one read of its bytes and no parsing, whatever
its modification times say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.accounts.service import local_account
from app.accounts.types import Account
from app.collections.service import get_or_create
from app.db import storable
from app.documents import removal, repository, versions
from app.documents.file_names import name_inside
from app.documents.local import Tell, list_files, run_jobs, submit
from app.documents.sweeping import sweep_services
from app.services import Services
from app.tables import Document

LONGEST_NAME = 200  # width of `collections.name`


@dataclass(frozen=True, slots=True)
class Difference:
    """What must happen so that the collection equals the folder."""

    new: list[Path]
    changed: dict[int, Path]  # document id to the file that now has its name and other bytes
    kept: dict[int, str]  # document id to the name its file has now
    gone: list[int]  # document ids


def sync_folder(services: Services, path: Path, tell: Tell) -> int:
    """The id of the collection of this path, after reading what is new and forgetting what is gone.

    A file that failed before is not tried again until it changes. Raises InvalidRequest when the path does
    not exist or holds no file.
    """
    files = {name_inside(file, path): file for file in list_files(path)}
    name = collection_name(path)
    with services.sessions.begin() as session:
        user = local_account(session)
        collection_id = get_or_create(session, user, name)
        documents = repository.list_of_collection(session, user.id, collection_id)
    difference = _compare(files, documents)
    _forget(services, user, difference.gone)
    _rename(services, difference.kept)
    submitted = [submit(services, name, file, name_inside(file, path)) for file in difference.new]
    submitted += [
        submit(services, name, file, name_inside(file, path), on_existing="replace", document_id=document_id)
        for document_id, file in difference.changed.items()
    ]
    for outcome in submitted:
        if outcome.error is not None:
            tell(f"{outcome.file_name}: {outcome.error.cause} {outcome.error.next_step}")
    run_jobs(services, [item.document_id for item in submitted if item.document_id is not None], tell)
    sweep_services(services)  # what new versions replaced
    return collection_id


def collection_name(path: Path) -> str:
    """The absolute path; a long one keeps its end and gets a digest of the whole."""
    absolute = storable(str(path.resolve()))
    if len(absolute) <= LONGEST_NAME:
        return absolute
    digest = hashlib.sha256(absolute.encode()).hexdigest()[:16]
    return f"{digest} …{absolute[-(LONGEST_NAME - 18) :]}"


def _compare(files: dict[str, Path], documents: Sequence[Document]) -> Difference:
    """By content: a renamed file keeps its document, the same bytes twice are one document."""
    wanted: dict[str, str] = {}
    for name, file in files.items():
        wanted.setdefault(_sha256(file), name)
    known = {document.sha256: document for document in documents}
    new = {name: files[name] for digest, name in wanted.items() if digest not in known}
    gone = {row.file_name: row.id for digest, row in known.items() if digest not in wanted}
    return Difference(
        new=[file for name, file in new.items() if name not in gone],
        changed={gone[name]: file for name, file in new.items() if name in gone},
        kept={
            document.id: wanted[digest]
            for digest, document in known.items()
            if digest in wanted and document.file_name != wanted[digest]
        },
        gone=[document_id for name, document_id in gone.items() if name not in new],
    )


def _forget(services: Services, user: Account, document_ids: Sequence[int]) -> None:
    if not document_ids:
        return
    with services.sessions.begin() as session:
        removal.delete_documents(session, user, document_ids)
    sweep_services(services)


def _rename(services: Services, names: dict[int, str]) -> None:
    if not names:
        return
    with services.sessions.begin() as session:
        for document in repository.list_by_ids(session, names):
            document.file_name = names[document.id]
            versions.rename(session, document)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
