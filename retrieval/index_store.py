"""The dense and the lexical view of the ordered table `index_changes`, kept and snapshotted together.

SQL is the truth; whatever is lost here is applied again from there. Each process works in memory and in a
private copy, so any number of them may open the same folder: they share nothing but finished snapshots.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal

from retrieval.growing import GrowingIndex, Growth
from retrieval.lexical import TantivyIndex
from retrieval.snapshots import (
    Manifest,
    SnapshotUnusable,
    list_snapshots,
    publish,
    read_verified,
    remove,
    seal,
)
from retrieval.types import AccessFilter, IndexChange, IndexEntry, ScoredId, Vectors
from retrieval.workspace import Workspace, exclusive

_DENSE, _BM25 = "dense", "bm25"


class IndexStore:
    """Both indexes at one change id; every method may be called from any thread.

    `opened_from` says whether a snapshot was loaded; `problem` says what was wrong with one that was not.
    """

    opened_from: Literal["snapshot", "empty"]
    problem: str | None

    def __init__(
        self,
        folder: Path,
        workspace: Workspace,
        *,
        encoder_id: str,
        dimension: int,
        growth: Growth | None = None,
    ) -> None:
        """An empty store; use `IndexStore.open`."""
        self._folder = folder
        self._workspace = workspace
        self._encoder_id = encoder_id
        self._dimension = dimension
        self._growth = growth
        self._writing = threading.RLock()  # apply, copy, reset: one at a time, searches go on
        self._saving = threading.Lock()  # what has been copied is sealed while changes go on
        self._last_change_id = 0
        self._saved_change_id: int | None = None
        self._dense = self._new_dense()
        self._bm25 = TantivyIndex(self._new_folder(_BM25))
        self.opened_from, self.problem = "empty", None

    @classmethod
    def open(
        cls, folder: Path, *, encoder_id: str, dimension: int, growth: Growth | None = None
    ) -> IndexStore:
        """The newest intact snapshot of this encoder in `folder`, or an empty store at change 0."""
        with exclusive(folder, create=True):
            store = cls(folder, Workspace(folder), encoder_id=encoder_id, dimension=dimension, growth=growth)
            problems: list[str] = []
            for snapshot in list_snapshots(folder):
                try:
                    store._load(snapshot)
                except SnapshotUnusable as error:
                    problems.append(str(error))
                else:
                    break
        store.problem = "; ".join(problems) or None
        return store

    @property
    def encoder_id(self) -> str:
        """Whose vectors it holds."""
        return self._encoder_id

    @property
    def dimension(self) -> int:
        """Of each vector."""
        return self._dimension

    @property
    def damaged(self) -> bool:
        """Whether what it works on was cut from outside: `reset` and apply every change again."""
        return self._dense.damaged

    @property
    def last_change_id(self) -> int:
        """Every change up to this one has been applied."""
        return self._last_change_id

    def apply(self, changes: Sequence[IndexChange]) -> None:
        """Apply changes in ascending order; those already applied are skipped, so repeating is harmless.

        Raises ValueError when they are out of order or a vector has another width; then nothing is applied.
        """
        with self._writing:
            new = [change for change in changes if change.change_id > self._last_change_id]
            if not new:
                return
            ids = [change.change_id for change in new]
            if ids != sorted(set(ids)):
                raise ValueError("index changes must come in ascending order")
            document_ids, entries = _net_effect(new)
            self._dense.replace(document_ids, entries)
            self._bm25.replace(document_ids, entries)
            # only now: after a failure above, the same changes are applied again from the start
            self._last_change_id = ids[-1]

    def dense(self, vector: Vectors, k: int, access: AccessFilter) -> list[ScoredId]:
        """The k nearest permitted chunks to `vector` [C] by cosine; raises VectorsLost when `damaged`."""
        return self._dense.search(vector, k, access)

    def bm25(self, question: str, k: int, access: AccessFilter) -> list[ScoredId]:
        """The k best permitted chunks by BM25; empty when the question holds no word."""
        return self._bm25.search(question, k, access)

    def chunk_ids(self) -> dict[str, frozenset[int]]:
        """What each index holds, at the same change id, under `dense` and `bm25`."""
        with self._writing:
            return {_DENSE: self._dense.chunk_ids(), _BM25: self._bm25.chunk_ids()}

    def maintain(self) -> bool:
        """Rebuild the dense index beside itself when it has outgrown its shape; whether it had.

        Takes minutes for a million vectors, while searches and changes go on.
        """
        return self._dense.rebuild()

    def save(self) -> None:
        """Publish a snapshot of the present state; does nothing when that state is saved already."""
        with self._saving:
            if self._saved_change_id == self._last_change_id and list_snapshots(self._folder):
                return
            staged = self._new_folder("staged")
            try:
                manifest = self._stage(staged)
                seal(staged, manifest)
                with exclusive(self._folder):
                    publish(staged, self._folder, manifest)
            except BaseException:  # a full disk: what was written must not fill it further
                shutil.rmtree(staged, ignore_errors=True)
                raise
            self._saved_change_id = manifest.last_change_id

    def _stage(self, staged: Path) -> Manifest:
        """Both indexes copied at one change id; changes wait for the copying only."""
        with self._writing:
            for name, index in ((_DENSE, self._dense), (_BM25, self._bm25)):
                (staged / name).mkdir()
                index.save(staged / name)
            return self._describe()

    def reset(self) -> None:
        """Forget everything, snapshots included, and start again at change 0."""
        with self._saving, self._writing:
            with exclusive(self._folder):
                remove(list_snapshots(self._folder))
            self._bm25.close()
            self._use(self._new_dense(), TantivyIndex(self._new_folder(_BM25)), last_change_id=0)
            self._saved_change_id = None

    def close(self) -> None:
        """Give back threads and the private copy; nothing is saved. Safe to call twice."""
        with self._writing:
            self._bm25.close()
            self._workspace.close()

    def __enter__(self) -> IndexStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _load(self, snapshot: Path) -> None:
        """Take over a snapshot's state; raises SnapshotUnusable and leaves this store empty otherwise."""
        manifest = read_verified(snapshot, encoder_id=self._encoder_id, dimension=self._dimension)
        copy = self._new_folder(_BM25)
        shutil.copytree(snapshot / _BM25, copy, dirs_exist_ok=True)
        dense = self._new_dense()
        try:
            dense.load(snapshot / _DENSE)
            bm25 = TantivyIndex(copy)
        except (OSError, RuntimeError, ValueError) as error:  # checksums match, yet a library cannot read it
            raise SnapshotUnusable(f"{snapshot.name}: {error}") from error
        counts = {len(dense), len(bm25), manifest.count}
        if len(counts) > 1:
            raise SnapshotUnusable(f"{snapshot.name}: its parts hold different numbers of chunks")
        self._use(dense, bm25, last_change_id=manifest.last_change_id)
        self._saved_change_id = manifest.last_change_id
        self.opened_from = "snapshot"

    def _use(self, dense: GrowingIndex, bm25: TantivyIndex, *, last_change_id: int) -> None:
        self._dense, self._bm25, self._last_change_id = dense, bm25, last_change_id

    def _new_dense(self) -> GrowingIndex:
        return GrowingIndex(self._dimension, self._workspace.path, self._growth)

    def _describe(self) -> Manifest:
        return Manifest(
            encoder_id=self._encoder_id,
            dimension=self._dimension,
            last_change_id=self._last_change_id,
            count=len(self._dense),
        )

    def _new_folder(self, name: str) -> Path:
        """A new empty folder in the private workspace: an index still being searched keeps its own."""
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._workspace.path))


def _net_effect(changes: Sequence[IndexChange]) -> tuple[list[int], list[IndexEntry]]:
    """Documents to clear and entries to add: the last change of each document is the one that counts."""
    last = {change.document_id: change for change in changes}
    return list(last), [entry for change in last.values() for entry in change.entries]
