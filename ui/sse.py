"""Server-sent events (WHATWG HTML, section 9.2.6), as far as the service uses them: `event` and `data`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

# A return at the end of what has come may be the first half of a pair: it waits for what comes next.
LINE_END = re.compile(r"\r\n|\n|\r(?!\Z)")


class ServerEvent(NamedTuple):
    """One dispatched event."""

    name: str
    data: str


def split_lines(parts: Iterable[str]) -> Iterator[str]:
    """Lines without their ends, of text that comes in parts; one that is cut off is dropped.

    CR LF, LF and CR end a line, as specified, and nothing else does: `str.splitlines`, as which httpx splits,
    knows ends that are characters of the data here.
    """
    rest = ""
    for part in parts:
        *lines, rest = LINE_END.split(rest + part)
        yield from lines
    if rest.endswith("\r"):
        yield rest[:-1]


def parse_events(lines: Iterable[str]) -> Iterator[ServerEvent]:
    """Events from lines without their ends; an event that the stream cuts off is dropped, as specified."""
    name, data = "message", list[str]()
    for line in lines:
        if not line:
            if data:
                yield ServerEvent(name, "\n".join(data))
            name, data = "message", []
            continue
        field, _, value = line.partition(":")  # a line that starts with ":" is a comment: its field is ""
        value = value.removeprefix(" ")
        if field == "event":
            name = value
        elif field == "data":
            data.append(value)
