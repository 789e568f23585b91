"""Names of uploaded files as they may be stored and shown."""

from __future__ import annotations

import re

from app.db import storable

LONGEST = 255
UNNAMED = "unnamed"


def clean_file_name(raw: str) -> str:
    """The last path component without control characters; never empty, the extension survives a cut."""
    name = re.split(r"[/\\]", storable(raw))[-1]
    name = "".join(c for c in name if c.isprintable()).strip()
    if name in {"", ".", ".."}:
        return UNNAMED
    if len(name) <= LONGEST:
        return name
    stem, dot, extension = name.rpartition(".")
    tail = dot + extension if stem and len(extension) <= 20 else ""
    return name[: LONGEST - len(tail)] + tail
