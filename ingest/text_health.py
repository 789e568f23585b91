"""Whether text is language at all. A broken font map gives `!"#$%&'` without any error."""

from __future__ import annotations

import re
from typing import Final

from ingest.types import Page, ParsedDocument

_MIN_CHARS: Final = 40  # too little to judge below this
_MAX_SIGN_SHARE: Final = 0.5  # of ASCII punctuation, private-use and replacement characters
_LEADERS = re.compile(r"[._-]{3,}|(?:\. ){3,}")
_SIGNS = re.compile("[!-/:-@\\[-`{-~\ue000-\uf8ff\ufffd]")


def looks_garbled(text: str) -> bool:
    """True for enough text that is mostly signs and hardly any words.

    Dots that lead from a table of contents to its page numbers are not counted.
    """
    visible = "".join(_LEADERS.sub("", text).split())
    return len(visible) >= _MIN_CHARS and len(_SIGNS.findall(visible)) > _MAX_SIGN_SHARE * len(visible)


def page_text(parsed: ParsedDocument, page: Page) -> str:
    """The page's slice of the document text."""
    return parsed.text[page.start : page.end]


def readable_pages(parsed: ParsedDocument) -> tuple[Page, ...]:
    """Pages with text that is language."""
    texts = ((page, page_text(parsed, page)) for page in parsed.pages)
    return tuple(page for page, text in texts if text.strip() and not looks_garbled(text))


def garbled_pages(parsed: ParsedDocument) -> tuple[int, ...]:
    """Numbers of the pages whose text is not language."""
    return tuple(page.number for page in parsed.pages if looks_garbled(page_text(parsed, page)))
