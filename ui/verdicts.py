"""The verdict on a claim as people read it: words, a sign and a colour, never the colour alone (pure)."""

from __future__ import annotations

from typing import Literal, NamedTuple


class VerdictLook(NamedTuple):
    """How one verdict is shown."""

    label: str
    sentence: str  # what the footnote says to a screen reader
    icon: str
    color: Literal["green", "orange", "red"]


VERDICTS = {
    "supported": VerdictLook("Supported", "supported by the passage", ":material/check_circle:", "green"),
    "not_supported": VerdictLook(
        "Not supported", "not supported by the passage", ":material/help:", "orange"
    ),
    "contradicted": VerdictLook("Contradicted", "contradicted by the passage", ":material/cancel:", "red"),
}
