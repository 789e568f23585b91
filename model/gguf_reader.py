"""`gguf.GGUFReader`, quick at the long arrays of a vocabulary.

The package's reader takes several numpy slices of a memory map for each of half a million array items. Here a
numeric array is one slice, and the strings of an array are cut out of one bytes object.
"""

from __future__ import annotations

import struct
from typing import Any

import gguf
import numpy as np

_LENGTH = struct.Struct("<Q")
_PIECE_BYTES = 16 * 1024**2  # of the file held as bytes while its strings are cut out


class QuickGGUFReader(gguf.GGUFReader):
    """Reads what GGUFReader reads; were its hook renamed, this would only be slow again."""

    def _get_field_parts(self, orig_offs: int, raw_type: int) -> tuple[int, list[Any], list[int], list[Any]]:
        if gguf.GGUFValueType(raw_type) != gguf.GGUFValueType.ARRAY or self.byte_order == "S":
            return super()._get_field_parts(orig_offs, raw_type)
        item_type = gguf.GGUFValueType(int(self._get(orig_offs, np.uint32)[0]))
        count = int(self._get(orig_offs + 4, np.uint64)[0])
        header = [self._get(orig_offs, np.uint32), self._get(orig_offs + 4, np.uint64)]
        start = orig_offs + 12
        if item_type in self.gguf_scalar_to_np:
            values = self._get(start, self.gguf_scalar_to_np[item_type], count)
            return 12 + int(values.nbytes), [*header, values], [2], [gguf.GGUFValueType.ARRAY, item_type]
        if item_type != gguf.GGUFValueType.STRING:
            return super()._get_field_parts(orig_offs, raw_type)
        strings, size = self._strings(start, count)
        indexes = list(range(2, 2 + count))
        return 12 + size, [*header, *strings], indexes, [gguf.GGUFValueType.ARRAY, item_type]

    def _strings(self, start: int, count: int) -> tuple[list[memoryview], int]:
        """`count` length-prefixed strings from offset `start`, and the bytes they take."""
        strings: list[memoryview] = []
        offset, piece_start = start, start
        piece = memoryview(bytes(self.data[start : start + _PIECE_BYTES]))
        for _ in range(count):
            here = offset - piece_start
            length = _LENGTH.unpack_from(piece, here)[0] if here + 8 <= len(piece) else 0
            if here + 8 + length > len(piece):
                piece_start, here = offset, 0
                piece = memoryview(bytes(self.data[offset : offset + _PIECE_BYTES]))
                length = _LENGTH.unpack_from(piece)[0]
            strings.append(piece[here + 8 : here + 8 + length])
            offset += 8 + length
        return strings, offset - start
