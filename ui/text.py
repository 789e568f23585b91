"""Text of documents and models made safe to show: it is data, so nothing in it may act as markup."""

from __future__ import annotations

import html
import re

MARKDOWN_PUNCTUATION = re.compile(
    r"([!-/:-@\[-`{-~])"
)  # the ASCII punctuation that CommonMark lets one escape


def escape_markdown(text: str) -> str:
    """Markdown that renders as exactly `text`: no images, formulas or headings; line breaks are kept."""
    escaped = MARKDOWN_PUNCTUATION.sub(r"\\\1", text)
    return re.sub(r" *\n", "  \n", escaped)


def marked_html(text: str, start: int, end: int) -> str:
    """HTML of a passage with text[start:end] marked; an empty or impossible span marks nothing."""
    if not 0 <= start < end <= len(text):
        return html.escape(text)
    before, evidence, after = text[:start], text[start:end], text[end:]
    return f"{html.escape(before)}<mark>{html.escape(evidence)}</mark>{html.escape(after)}"


def place(file_name: str, page: int | None) -> str:
    """Where a passage stands: file, and page if it has one."""
    return file_name if page is None else f"{file_name}, page {page}"


def shortened(text: str, length: int) -> str:
    """One line of at most `length` characters, cut at a word."""
    line = " ".join(text.split())
    if len(line) <= length:
        return line
    return line[: length - 1].rsplit(" ", 1)[0].rstrip(",;:") + "…"


def short_address(url: str, length: int) -> str:
    """An address of the web without its scheme, at most so long: both ends tell most."""
    text = url.split("://", 1)[-1].rstrip("/")
    half = (length - 1) // 2
    return text if len(text) <= length else f"{text[:half]}…{text[-half:]}"


def file_size(size_bytes: int) -> str:
    """A size as people write it."""
    size = float(size_bytes)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def counted(count: int, noun: str) -> str:
    """`1 page`, `2 pages`, `1,000 pages`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
