"""Keeps a folder and its documents in step: one round looks, compares with the stored table, and acts.

The table says what the folder gave, so a restart catches up with whatever happened meanwhile, and documents
that were uploaded by hand into the same collection are never touched.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.orm import Session

from app.accounts.service import local_account
from app.collections.service import get_or_create
from app.db import storable
from app.documents import removal, versions
from app.documents import repository as documents
from app.documents.local import Tell, run_jobs, submit
from app.documents.sweeping import sweep_services
from app.documents.uploads import UploadOutcome
from app.errors import UploadTooLarge
from app.folders import repository
from app.folders.refusals import Refusals
from app.folders.repository import Watched
from app.folders.scanning import FileState, Known, compare, renames, scan
from app.services import Services
from app.tables import Document, FolderFile

LONGEST_NAME = 1000  # width of `documents.file_name`
FILES_A_ROUND = 32  # so that a round of many thousand files can be stopped
SHOWN_UNREADABLE = 3
BEGUN_NS = -1  # `modified_ns` of a file whose taking was begun: no file looks like that
REFUSED_NS = -2  # of a file that could not be taken: it is tried again, by this process or the next
NOT_TAKEN = frozenset({BEGUN_NS, REFUSED_NS})


@dataclass(slots=True)
class Round:
    """What one round did, in relative paths."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    more: bool = False  # files are left for the next round, which need not wait
    problem: str | None = None  # why the folder, or a part of it, was left alone


class FolderKeeper:
    """One folder and the collection it feeds; call `round` again and again, a while apart."""

    def __init__(
        self, services: Services, folder: Path, collection: str, tell: Tell, password: str | None = None
    ) -> None:
        self._services = services
        self._root = folder.resolve()
        self._collection = collection
        self._tell = tell
        self._password = password  # of protected files
        self._before: dict[str, FileState] | None = None
        self._refusals = Refusals()
        with services.sessions.begin() as session:
            self._user = local_account(session)
            collection_id = get_or_create(session, self._user, collection)
        self._watched = Watched(self._user.id, collection_id, storable(str(self._root)))

    def round(self) -> Round:
        """Takes in what has settled since the last round, forgets what is gone, and reads what is new.

        A folder that cannot be read, or is empty though it gave documents before (an unmounted disk looks
        like that), changes nothing and is the `problem`; one inside it that cannot be read keeps what it
        gave. The first round only looks.
        """
        done = Round()
        known = self._known()
        try:
            look = scan(self._root)
        except OSError as error:
            done.problem = f"The folder {self._root} cannot be read: {error.strerror}. Nothing was changed."
            return done
        now = dict(look.files)
        now.update({path: each.state for path, each in known.items() if look.may_hold(path)})
        if look.unreadable:
            shown = ", ".join(look.unreadable[:SHOWN_UNREADABLE])
            done.problem = f"{shown} in {self._root} cannot be read. What came from there was left as it is."
        if known and not now:
            done.problem = f"The folder {self._root} is empty. Nothing was deleted; is its disk mounted?"
            return done
        if self._before is not None:
            self._act(known, self._before, now, done)
        if not done.more:  # the next round follows at once then, too soon to say that a file has settled
            self._before = now
        self._read_pending()
        return done

    def _known(self) -> dict[str, Known]:
        with self._services.sessions() as session:
            return {
                row.path: Known(FileState(row.size_bytes, row.modified_ns), row.sha256)
                for row in repository.list_files(session, self._watched)
            }

    def _act(
        self,
        known: Mapping[str, Known],
        before: Mapping[str, FileState],
        now: Mapping[str, FileState],
        done: Round,
    ) -> None:
        difference = compare(known, before, now)
        moved = renames(known, difference, self._digest_if_readable)
        for path, old in moved.items():
            self._rename(old, path, now[path])
            done.renamed.append(path)
        for path in difference.removed:
            if path not in moved.values():
                self._forget(path)
                done.removed.append(path)
        waiting = [
            path
            for path in (*difference.changed, *difference.added)
            if path not in moved and not self._refusals.holds(path, now[path])
        ]
        done.more = len(waiting) > FILES_A_ROUND
        for path in waiting[:FILES_A_ROUND]:
            self._take(path, now[path], done)

    def _digest(self, path: str) -> str | None:
        """SHA-256 of the file; None when it has gone meanwhile. Raises OSError when it cannot be read."""
        try:
            with (self._root / path).open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _digest_if_readable(self, path: str) -> str:
        """Empty where the file cannot be read: that is told when it is to be taken."""
        try:
            return self._digest(path) or ""
        except OSError:
            return ""

    def _take(self, path: str, state: FileState, done: Round) -> None:
        """A new file becomes a document, a changed one a new version of its document."""
        try:
            digest = self._digest(path)
        except OSError as error:
            why = f"The file cannot be read: {error.strerror}. It is tried again every minute."
            self._refuse(path, state, why, done)
            return
        if digest is None:
            return
        with self._services.sessions.begin() as session:
            row = repository.get(session, self._watched, path)
            if row is not None and row.modified_ns not in NOT_TAKEN and row.sha256 == digest:
                row.size_bytes, row.modified_ns = state.size_bytes, state.modified_ns
                return  # only its time is new; a document that a person deleted stays deleted
            is_new = row is None
            replaces = self._begin(session, row, path, digest)
        outcome = submit(
            self._services,
            self._collection,
            self._root / path,
            path[-LONGEST_NAME:],
            on_existing="skip" if replaces is None else "replace",
            document_id=replaces,
            password=self._password,
        )
        self._finish(path, state, outcome)
        if outcome.error is not None:
            why = f"{outcome.error.cause} {outcome.error.next_step}"
            self._refuse(path, state, why, done, lasting=isinstance(outcome.error, UploadTooLarge))
        else:
            self._refusals.forget(path)
            (done.added if is_new else done.changed).append(path)

    def _refuse(self, path: str, state: FileState, why: str, done: Round, *, lasting: bool = False) -> None:
        if self._refusals.note(path, state, why, lasting=lasting):
            self._tell(f"{path}: {why}")
            done.refused.append(path)

    def _begin(self, session: Session, row: FolderFile | None, path: str, digest: str) -> int | None:
        """Notes that this file is about to be taken, and whose document that makes.

        The document that it replaces; None where it gets one of its own. A crash between this and `_finish`
        leaves a row that the next round takes up again.
        """
        replaces = None if row is None else self._own_document(session, row)
        if row is not None and replaces is None:
            self._hand_over(session, row)
        if row is None:
            row = FolderFile(
                owner_id=self._watched.owner_id,
                collection_id=self._watched.collection_id,
                folder=self._watched.folder,
                path=path,
                size_bytes=0,
                modified_ns=BEGUN_NS,
                sha256="",
                owns=True,
            )
            session.add(row)
        is_decided = row.modified_ns == BEGUN_NS and row.sha256 == digest  # by a try that a crash cut off
        if replaces is None and not is_decided:
            there = documents.get_by_sha256(session, self._watched.collection_id, digest)
            row.owns = there is None or repository.count_of_document(session, there.id) > 0
        row.sha256, row.modified_ns = digest, BEGUN_NS
        return replaces

    def _own_document(self, session: Session, row: FolderFile) -> int | None:
        """The living document of this file, where no other file has it too and nobody uploaded it by hand."""
        document = self._document(session, row)
        if document is None or not row.owns:
            return None
        return document.id if repository.count_of_document(session, document.id) == 1 else None

    def _document(self, session: Session, row: FolderFile) -> Document | None:
        return None if row.document_id is None else documents.get(session, self._user.id, row.document_id)

    def _hand_over(self, session: Session, row: FolderFile) -> None:
        """A document of several files takes the name of another one when this one leaves it."""
        document = self._document(session, row)
        heir = None if document is None else repository.another_file(session, self._watched, row)
        if document is not None and heir is not None and row.owns:
            self._name(session, document, row.path, heir.path)

    def _name(self, session: Session, document: Document, old: str, path: str) -> None:
        """Names the document after its file, unless a person gave it another name."""
        if document.file_name == old[-LONGEST_NAME:]:
            document.file_name = path[-LONGEST_NAME:]
            versions.rename(session, document)

    def _finish(self, path: str, state: FileState, outcome: UploadOutcome) -> None:
        with self._services.sessions.begin() as session:
            row = repository.get(session, self._watched, path)
            if row is not None:
                row.size_bytes = state.size_bytes
                row.modified_ns = state.modified_ns if outcome.error is None else REFUSED_NS
                row.document_id = outcome.document_id or row.document_id

    def _rename(self, old: str, path: str, state: FileState) -> None:
        """The document follows its file, unread."""
        with self._services.sessions.begin() as session:
            row = repository.get(session, self._watched, old)
            if row is None:
                return
            row.path = path
            if row.modified_ns not in NOT_TAKEN:
                row.size_bytes, row.modified_ns = state.size_bytes, state.modified_ns
            document = self._document(session, row)
            if document is not None and row.owns:
                self._name(session, document, old, path)

    def _forget(self, path: str) -> None:
        """Deletes the document of a file that is gone, unless another file has the same bytes."""
        with self._services.sessions.begin() as session:
            row = repository.get(session, self._watched, path)
            if row is None:
                return
            document = self._document(session, row)
            if row.modified_ns == BEGUN_NS and document is None:  # a crash came between the two notes
                document = documents.get_by_sha256(session, self._watched.collection_id, row.sha256)
            self._hand_over(session, row)
            session.delete(row)
            session.flush()
            if document is not None and row.owns and not repository.count_of_document(session, document.id):
                removal.delete_documents(session, self._user, [document.id])

    def _read_pending(self) -> None:
        """Reads whatever of this folder waits, also what an earlier process did not get to."""
        with self._services.sessions() as session:
            waiting = repository.pending_documents(session, self._watched)
        if waiting:
            run_jobs(self._services, waiting, self._tell)
        sweep_services(self._services)
