"""Writes an OLE compound file (MS-CFB 4.0): a message inside an Outlook message becomes a file of its own.

Version 4, whose sectors of 4,096 bytes let the header alone name the table of a file of 400 MB.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

Storage = Mapping[str, "bytes | Storage"]
"""A name to a stream's bytes, or to a storage inside."""

UNREADABLE: Final = (OSError, ValueError, LookupError, TypeError, ArithmeticError, RecursionError)
"""What `olefile` raises over a damaged container."""

MAX_BYTES: Final = 109 * 1024 * 4096  # what the sectors of the table that the header can name describe
_MAGIC: Final = bytes.fromhex("d0cf11e0a1b11ae1")
_SECTOR: Final = 4096
_MINI_SECTOR: Final = 64
_MINI_BELOW: Final = 4096  # shorter streams stand together in one, the mini stream
_IN_HEADER: Final = 109  # sectors of the table
_FREE: Final = 0xFFFFFFFF  # no sector, no entry
_END: Final = 0xFFFFFFFE  # of a chain
_TABLE: Final = 0xFFFFFFFD  # a sector of the table itself
_STORAGE: Final = 1
_STREAM: Final = 2
_ROOT: Final = 5
_BLACK: Final = 1


@dataclass(slots=True)
class _Entry:
    """A row of the directory; siblings are a tree ordered by length and letters of the name."""

    name: str
    kind: int
    data: bytes = b""
    left: int = _FREE
    right: int = _FREE
    child: int = _FREE
    start: int = _END
    size: int = 0

    def packed(self) -> bytes:
        name = self.name.encode("utf-16-le")
        return struct.pack(
            "<64sHBBIII36xIQ",
            name,
            len(name) + 2,
            self.kind,
            _BLACK,
            self.left,
            self.right,
            self.child,
            self.start,
            self.size,
        )


def compound_file(tree: Storage) -> bytes:
    """The file whose root holds `tree`. Raises ValueError where it is larger than MAX_BYTES."""
    root = _Entry("Root Entry", _ROOT)
    entries = [root]
    root.child = _add(entries, tree)
    mini_table, mini_stream = _place_small(entries)
    root.data = mini_stream
    directory = b"".join(entry.packed() for entry in entries)  # its size; the places come below
    contents = [directory, mini_table, *(entry.data for entry in entries if entry.data)]
    starts, table = _chains(contents)
    large = iter(starts[2:])
    for entry in entries:
        if entry.data:
            entry.start, entry.size = next(large), len(entry.data)
    contents[0] = b"".join(entry.packed() for entry in entries)
    header = _header(len(table), starts[0], len(directory), starts[1], len(mini_table))
    return b"".join([header, table, *map(_padded, contents)])


def _add(entries: list[_Entry], storage: Storage) -> int:
    """Adds what `storage` holds; returns the number of the topmost of its entries."""
    first = len(entries)
    names = sorted(storage, key=lambda name: (len(name), name.upper()))
    entries += [_Entry(name, _STREAM if isinstance(storage[name], bytes) else _STORAGE) for name in names]
    for number, name in enumerate(names, first):
        content = storage[name]
        if isinstance(content, bytes):
            entries[number].data = content
        else:
            entries[number].child = _add(entries, content)
    return _as_tree(entries, first, first + len(names))


def _as_tree(entries: list[_Entry], first: int, end: int) -> int:
    """Makes the ordered entries from `first` to `end` a search tree; returns its top."""
    if first == end:
        return _FREE
    top = (first + end) // 2
    entries[top].left = _as_tree(entries, first, top)
    entries[top].right = _as_tree(entries, top + 1, end)
    return top


def _place_small(entries: list[_Entry]) -> tuple[bytes, bytes]:
    """Moves short streams into the mini stream; returns its table and its bytes."""
    table, stream = bytearray(), bytearray()
    for entry in entries:
        if 0 < len(entry.data) < _MINI_BELOW:
            entry.start, entry.size = len(stream) // _MINI_SECTOR, len(entry.data)
            stream += entry.data + bytes(-len(entry.data) % _MINI_SECTOR)
            table += _chain(entry.start, len(stream) // _MINI_SECTOR)
            entry.data = b""
    return bytes(table), bytes(stream)


def _chains(contents: list[bytes]) -> tuple[list[int], bytes]:
    """Where each content starts, behind the table, and the table, in whole sectors."""
    counts = [_sectors(len(content)) for content in contents]
    own = 1
    while own * (_SECTOR // 4) < own + sum(counts):
        own += 1
    if own > _IN_HEADER:
        raise ValueError(f"A compound file of more than {MAX_BYTES:,} bytes is not written.")
    table, starts, place = bytearray(struct.pack("<I", _TABLE) * own), list[int](), own
    for count in counts:
        starts.append(place if count else _END)
        table += _chain(place, place + count)
        place += count
    return starts, bytes(table) + struct.pack("<I", _FREE) * (-len(table) % _SECTOR // 4)


def _chain(first: int, end: int) -> bytes:
    """Table rows of the sectors from `first` to `end`, each naming the next."""
    return struct.pack(f"<{end - first}I", *range(first + 1, end), *([_END] if end > first else []))


def _header(table: int, directory_at: int, directory: int, mini_table_at: int, mini_table: int) -> bytes:
    """Sizes in bytes, places in sectors; the table begins behind the header."""
    named = [*range(_sectors(table)), *[_FREE] * (_IN_HEADER - _sectors(table))]
    versions = (0x3E, 4, 0xFFFE, 12, 6)  # minor, major, byte order; sector sizes as powers of two
    counts = (_sectors(directory), _sectors(table), directory_at, 0, _MINI_BELOW)
    mini = (mini_table_at, _sectors(mini_table), _END, 0)  # the last two: no more of the table than named
    return _padded(struct.pack("<8s16x5H6x9I109I", _MAGIC, *versions, *counts, *mini, *named))


def _sectors(size: int) -> int:
    return -(-size // _SECTOR)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % _SECTOR)
