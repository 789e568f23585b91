"""Where searched words stand in a text (pure)."""

from __future__ import annotations

AROUND = 60  # characters on each side


def excerpt(text: str, words: str) -> str | None:
    """One line around the first occurrence, case ignored; None when the text does not hold the words."""
    at = text.lower().find(words.lower())
    if at < 0:
        return None
    start, end = max(0, at - AROUND), min(len(text), at + len(words) + AROUND)
    line = " ".join(text[start:end].split())
    return f"{'…' if start else ''}{line}{'…' if end < len(text) else ''}"
