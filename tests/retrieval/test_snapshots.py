"""Snapshots that lie, tear or belong to something else are never loaded, and the reason is said."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from retrieval import snapshots
from retrieval.clustered import SearchEffort
from retrieval.growing import Growth
from retrieval.index_store import IndexStore
from retrieval.types import IndexChange
from tests.retrieval.samples import DIMENSION, additions, everything, random_entries

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = random_entries(12)


def opened(folder: Path, encoder_id: str = "hash", dimension: int = DIMENSION) -> IndexStore:
    return IndexStore.open(folder, encoder_id=encoder_id, dimension=dimension)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one good snapshot."""
    with opened(tmp_path / "index") as store:
        store.apply(additions(ENTRIES))
        store.save()
    return tmp_path / "index"


def snapshot_of(folder: Path) -> Path:
    [snapshot] = folder.glob("snapshot-*")
    return snapshot


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [halve, flip, Path.unlink])
def test_damage_to_any_file_starts_empty_and_names_it(folder: Path, damage: Callable[[Path], None]) -> None:
    pristine = folder.with_name("pristine")
    shutil.copytree(folder, pristine)
    files = [file.relative_to(folder) for file in snapshot_of(folder).rglob("*") if file.is_file()]
    assert {"manifest.json", "vectors.faiss", "rows.npy", "meta.json"} <= {file.name for file in files}
    for file in files:
        if damage is not Path.unlink and (folder / file).stat().st_size == 0:
            continue
        damage(folder / file)
        with opened(folder) as store:
            assert (store.opened_from, store.last_change_id) == ("empty", 0)
            assert store.chunk_ids() == {"dense": frozenset(), "bm25": frozenset()}
            assert store.problem is not None
            assert file.name in store.problem
        shutil.rmtree(folder)
        shutil.copytree(pristine, folder)


def test_trained_lists_come_back_and_damage_to_them_is_noticed(tmp_path: Path) -> None:
    growth = Growth(clustered_from=300, effort=SearchEffort(scanned=300, short_list=40, exact=30))
    entries = random_entries(500)
    access = everything(entries)

    def reopened() -> IndexStore:
        return IndexStore.open(tmp_path, encoder_id="hash", dimension=DIMENSION, growth=growth)

    with reopened() as store:
        store.apply(additions(entries))
        assert store.maintain()
        assert not store.maintain()
        store.save()
        before = store.dense(entries[3].vector, 10, access)
    with reopened() as store:
        assert (store.opened_from, store.problem) == ("snapshot", None)
        assert store.dense(entries[3].vector, 10, access) == before
    for name in ("codes.faiss", "vectors.f16", "runs.npy", "chunks.npy"):
        file = snapshot_of(tmp_path) / "dense" / name
        whole = file.read_bytes()
        for damage in (halve, flip):
            damage(file)
            with reopened() as store:
                assert store.opened_from == "empty"
                assert name in (store.problem or "")
            file.write_bytes(whole)
    with reopened() as store:
        assert store.chunk_ids()["dense"] == {entry.chunk_id for entry in entries}


def test_a_damaged_snapshot_is_replaced_by_the_next_save(folder: Path) -> None:
    flip(snapshot_of(folder) / "dense" / "rows.npy")
    with opened(folder) as store:
        store.apply(additions(ENTRIES))
        store.save()
    with opened(folder) as store:
        assert (store.opened_from, store.problem) == ("snapshot", None)


@pytest.mark.parametrize(("encoder_id", "dimension"), [("other", DIMENSION), ("hash", 32)])
def test_another_encoder_starts_empty_and_says_so(folder: Path, encoder_id: str, dimension: int) -> None:
    with opened(folder, encoder_id, dimension) as store:
        assert store.opened_from == "empty"
        assert "encoder hash (16 dimensions)" in (store.problem or "")


def test_another_format_starts_empty_and_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    was = snapshots.FORMAT
    monkeypatch.setattr(snapshots, "FORMAT", "2.1")
    with opened(folder) as store:
        assert store.opened_from == "empty"
        assert f"format {was}" in (store.problem or "")


def test_a_manifest_with_unknown_keys_is_another_format(folder: Path) -> None:
    path = snapshot_of(folder) / "manifest.json"
    values = json.loads(path.read_text())
    del values["checksum"]
    values |= {"format": "9", "compressed": True}
    path.write_text(json.dumps(values | {"checksum": snapshots._checksum(values)}))
    with opened(folder) as store:
        assert "format 9" in (store.problem or "")


def test_parts_that_a_library_cannot_read_or_that_disagree_are_refused(folder: Path) -> None:
    """Right checksums, wrong content: what a library upgrade or our own mistake would leave."""
    for name, content in {"dense/vectors.faiss": b"junk", "dense/rows.npy": b"junk"}.items():
        snapshot = snapshot_of(folder)
        kept = (snapshot / name).read_bytes()
        (snapshot / name).write_bytes(content)
        reseal(snapshot)
        with opened(folder) as store:
            assert (store.opened_from, store.problem is not None) == ("empty", True)
            store.apply(additions(ENTRIES))  # and the empty store works
        (snapshot / name).write_bytes(kept)
    reseal(snapshot_of(folder), count=11)
    with opened(folder) as store:
        assert "different numbers" in (store.problem or "")


def reseal(snapshot: Path, count: int = 12) -> None:
    (snapshot / "manifest.json").unlink()
    snapshots.seal(snapshot, snapshots.Manifest("hash", DIMENSION, 3, count))


def test_the_newest_intact_snapshot_wins(folder: Path, tmp_path: Path) -> None:
    """Two are left when a process dies between publishing and removing the old one."""
    older = shutil.copytree(snapshot_of(folder), tmp_path / "kept")
    with opened(folder) as store:
        store.apply([IndexChange(500, "delete", ENTRIES[0].document_id)])
        store.save()
        newer = snapshot_of(folder)
        shutil.copytree(older, folder / "snapshot-00000000000000000003-aaaaaaaa")
    with opened(folder) as store:
        assert (store.last_change_id, store.problem) == (500, None)
    halve(newer / "manifest.json")
    with opened(folder) as store:
        assert (store.opened_from, store.last_change_id) == ("snapshot", len(additions(ENTRIES)))
        assert newer.name in (store.problem or "")


def test_a_process_that_is_behind_does_not_replace_a_newer_snapshot(tmp_path: Path) -> None:
    changes = additions(ENTRIES)
    with opened(tmp_path) as ahead, opened(tmp_path) as behind:
        ahead.apply(changes)
        behind.apply(changes[:1])
        ahead.save()
        behind.save()
        assert snapshot_of(tmp_path).name.startswith(f"snapshot-{len(changes):020d}")
        behind.apply(changes)
        assert behind.chunk_ids() == ahead.chunk_ids()


def test_a_save_that_fails_keeps_the_old_snapshot(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full_disk(*_: object) -> None:
        raise OSError("no space left on device")

    before = snapshot_of(folder)
    with opened(folder) as store:
        store.apply([IndexChange(500, "delete", ENTRIES[0].document_id)])
        with monkeypatch.context() as patch:
            patch.setattr("retrieval.index_store.seal", full_disk)
            with pytest.raises(OSError, match="space"):
                store.save()
        assert snapshot_of(folder) == before
        store.save()
        assert snapshot_of(folder) != before


def test_a_killed_process_leaves_nothing_that_matters(folder: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from retrieval.index_store import IndexStore\n"
        f"IndexStore.open(Path(sys.argv[1]), encoder_id='hash', dimension={DIMENSION})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(folder)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    [abandoned] = folder.glob("work-*")
    with opened(folder) as store:
        assert store.opened_from == "snapshot"
        assert not abandoned.exists()


def test_living_processes_keep_their_private_copies(folder: Path) -> None:
    with opened(folder) as first, opened(folder) as second:
        assert len(list(folder.glob("work-*"))) == 2
        first.apply([IndexChange(500, "delete", ENTRIES[0].document_id)])
        assert second.chunk_ids()["bm25"] == {entry.chunk_id for entry in ENTRIES}


def test_everything_is_synced_before_it_is_renamed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def record_sync(descriptor: int) -> None:
        events.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        fsync(descriptor)

    def record_rename(path: Path, target: Path) -> Path:
        events.append("rename")
        return rename(path, target)

    with opened(folder) as store:
        store.apply([IndexChange(500, "delete", ENTRIES[0].document_id)])
        monkeypatch.setattr(os, "fsync", record_sync)
        monkeypatch.setattr(Path, "rename", record_rename)
        store.save()
    renamed = events.index("rename")
    assert {"manifest.json", "vectors.faiss", "rows.npy", "meta.json", "bm25"} <= set(events[:renamed])
    assert events[renamed + 1 :] == [folder.name]
