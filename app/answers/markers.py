"""Keeps a marker that cites nothing out of an answer while it is being written. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator


def without_marker(pieces: Iterable[str], marker: str | None) -> Iterator[str]:
    """The pieces without `marker` and the blanks before it; an answer that is nothing else comes out empty.

    What may be the beginning of the marker is held back until the next piece decides it. None drops nothing.
    """
    if marker is None:
        yield from pieces
        return
    whole = re.compile(rf"\s*{re.escape(marker)}")
    beginnings = "|".join(re.escape(marker[:end]) for end in range(len(marker) - 1, 0, -1))
    undecided = re.compile(rf"\s*(?:{beginnings})?\Z")
    held = ""
    for piece in pieces:
        text = whole.sub("", held + piece)
        certain = undecided.split(text, maxsplit=1)[0]
        held = text[len(certain) :]
        if certain:
            yield certain
    # What is held at the end is blank or an unfinished marker: nothing to show.
