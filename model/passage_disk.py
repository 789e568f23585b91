"""Keys and values of passages on disk, under a byte budget: what `PassageStore` asks when memory has nothing.

A file is named by the checksum of all that its contents depend on, and carries a checksum of the contents.
Several processes may share the folder: a file is written beside its name and renamed, the time of a file is
its last use, and one that vanishes, cannot be read or was damaged is no more than a passage that must be read
again. Nothing is synced: what a power cut tears fails its checksum.
"""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from model.stored_passage import StoredPassage

log = logging.getLogger(__name__)

FORMAT = 1  # part of every name: another layout of files, or other arithmetic, starts with an empty store
SUFFIX, UNFINISHED = ".passage", ".unfinished"
SCAN_EVERY_WRITES = 32  # what other processes have written is counted this often, and when the budget is met
KEPT_SHARE = 0.9  # of the budget, once it is met: a scan then makes room for many writes
ABANDONED_AFTER_S = 600.0  # a file that was never renamed


@dataclass(frozen=True, slots=True)
class PassageFolder:
    """Where passages may be kept, and how many bytes of them; 0: none are."""

    path: Path
    budget_bytes: int


class PassageDisk:
    """Passages of one decoder in a folder that others may use too; the least recently used go first."""

    def __init__(self, folder: PassageFolder, *, identity: str, device: torch.device) -> None:
        """`identity` names weights, adapter and arithmetic: passages of another are not found."""
        self._folder, self._budget_bytes = folder.path, folder.budget_bytes
        self._identity = hashlib.sha256(f"{FORMAT} {identity}".encode()).digest()
        self._device = device
        self._writes = 0
        self._is_failing = False
        self.bytes = self.hits = self.misses = self.evictions = 0  # bytes: of all files, as last scanned
        self.damaged = self.unwritten = 0
        self.count()

    def __contains__(self, tokens: Sequence[int]) -> bool:
        """True when a file of that name can be seen; asking is no use of it."""
        try:
            return self._path(tokens).is_file()
        except OSError:
            return False

    def get(self, tokens: Sequence[int]) -> StoredPassage | None:
        """The passage of these tokens on the device, if it is here and whole; a damaged file is removed."""
        path = self._path(tokens)
        try:
            found = _read(path, len(tokens))
        except FileNotFoundError:
            self.misses += 1
            return None
        except OSError as error:  # of the folder or the moment: the file may be whole
            self.misses += 1
            self._say_failing(error)
            return None
        except (SafetensorError, ValueError) as error:
            self._remove_damaged(path, error)
            return None
        self.hits += 1
        with suppress(OSError):  # another process may have evicted it since
            os.utime(path)
        return StoredPassage(found.keys.to(self._device), found.values.to(self._device))

    def put(self, tokens: Sequence[int], stored: StoredPassage) -> None:
        """Keep a passage; what cannot be written is counted, and said once until it works again."""
        path = self._path(tokens)
        contents = _contents(path.name, stored)
        if len(contents) > self._budget_bytes * KEPT_SHARE:
            return
        self._writes += 1
        try:
            if self.bytes + len(contents) > self._budget_bytes or self._writes % SCAN_EVERY_WRITES == 0:
                self._scan(room_bytes=len(contents))
            _write(path, contents)
        except OSError as error:
            self.unwritten += 1
            self._say_failing(error)
            return
        self.bytes += len(contents)
        self._is_failing = False

    def count(self) -> None:
        """Look again at what is in the folder: others write and remove files there too.

        Where nothing can be seen, what was seen last stands.
        """
        try:
            self._scan(room_bytes=0)
        except OSError as error:
            self._say_failing(error)

    def _say_failing(self, error: OSError) -> None:
        """Once until a passage is written again."""
        if not self._is_failing:
            log.warning("passages cannot be kept in %s: %s", self._folder, error)
        self._is_failing = True

    def _path(self, tokens: Sequence[int]) -> Path:
        digest = hashlib.sha256(self._identity + array("q", tokens).tobytes())
        return self._folder / f"{digest.hexdigest()}{SUFFIX}"

    def _remove_damaged(self, path: Path, error: Exception) -> None:
        log.warning("a stored passage is not used and removed: %s: %s", path.name, error)
        self.misses += 1
        self.damaged += 1
        with suppress(OSError):
            path.unlink()

    def _scan(self, *, room_bytes: int) -> None:
        """Count the files, and evict where they and `room_bytes` more would exceed the budget.

        Raises OSError when the folder cannot be read.
        """
        files = sorted(self._files())
        self.bytes = sum(size for _, size, _ in files)
        if self.bytes + room_bytes <= self._budget_bytes:
            return
        for _, size, path in files:
            if self.bytes + room_bytes <= self._budget_bytes * KEPT_SHARE:
                break
            with suppress(OSError):
                path.unlink()
                self.bytes -= size
                self.evictions += 1

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Time of last use, bytes and path of every passage; removes what was left unfinished."""
        with suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(OSError):  # evicted by another process meanwhile, or not ours to look at
                    seen = entry.stat()
                    if entry.name.endswith(SUFFIX):
                        yield seen.st_mtime, seen.st_size, Path(entry.path)
                    elif entry.name.endswith(UNFINISHED) and seen.st_mtime < time.time() - ABANDONED_AFTER_S:
                        os.unlink(entry.path)


def _read(path: Path, tokens: int) -> StoredPassage:
    """The passage of a file; raises OSError, SafetensorError, and ValueError when it is not what was written.

    It is copied into memory: a mapped file that somebody cuts off would end the process.
    """
    tensors = load(path.read_bytes())
    if tensors.keys() != {"keys", "values", "sha256"}:
        raise ValueError(f"it holds {sorted(tensors)}")
    keys, values = tensors["keys"], tensors["values"]
    if bytes(tensors["sha256"].tolist()) != _checksum(path.name, keys, values):
        raise ValueError("the checksum of its contents is another")
    if keys.shape != values.shape or keys.dim() != 4 or keys.shape[1] != tokens:
        raise ValueError(f"keys {tuple(keys.shape)} and values {tuple(values.shape)} for {tokens} tokens")
    return StoredPassage(keys, values)


def _contents(name: str, stored: StoredPassage) -> bytes:
    keys, values = stored.keys.cpu().contiguous(), stored.values.cpu().contiguous()
    checksum = torch.tensor(list(_checksum(name, keys, values)), dtype=torch.uint8)
    return save({"keys": keys, "values": values, "sha256": checksum})


def _write(path: Path, contents: bytes) -> None:
    """Write a file of that name, or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=UNFINISHED, delete=False) as file:
        unfinished = Path(file.name)
        try:
            file.write(contents)
            file.flush()
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise


def _checksum(name: str, keys: Tensor, values: Tensor) -> bytes:
    """SHA-256 of the file's name, and of the types, shapes and bytes of its tensors."""
    digest = hashlib.sha256(name.encode())
    for tensor in (keys, values):
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.view(torch.uint8).numpy().data)
    return digest.digest()
