"""Markdown to clean text: the words without the marks, headings and tables kept as structure.

Also reads the Markdown that the office adapter gets from its library.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ingest.builder import DocumentBuilder
from ingest.parsers.tables import table_lines
from ingest.source import Source
from ingest.types import ParsedDocument

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?\n)(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.S)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_MAX_NESTING: Final = 200


def parse_markdown(source: Source) -> ParsedDocument:
    """A Markdown file; HTML tags and comments in it are dropped, front matter stays as text."""
    builder = DocumentBuilder(source.limits.text_chars)
    text = source.text
    if front_matter := _FRONT_MATTER.match(text):
        builder.paragraph(front_matter[1])
        text = text[front_matter.end() :]
    add_markdown(text, builder)
    return builder.build(source.media_type, warnings=source.decoding_warnings)


def add_markdown(text: str, builder: DocumentBuilder) -> None:
    """Add the blocks of Markdown `text` to `builder`."""
    reader = MarkdownIt("commonmark", {"maxNesting": _MAX_NESTING}).enable(["table", "strikethrough"])
    _Blocks(builder).add(reader.parse(text))


class _Blocks:
    """Turns the flat token stream into paragraphs, list items, headings and tables."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self._builder = builder
        self._lists: list[int | None] = []  # one entry a level: next number, or None for bullets
        self._prefix = ""

    def add(self, tokens: Sequence[Token]) -> None:
        stream = iter(tokens)
        for token in stream:
            match token.type:
                case "heading_open":
                    self._builder.heading(int(token.tag[1]), inline_text(next(stream)))
                case "table_open":
                    self._builder.table(table_lines(list(_rows(stream))))
                case "bullet_list_open":
                    self._lists.append(None)
                case "ordered_list_open":
                    self._lists.append(int(token.attrGet("start") or 1))
                case "bullet_list_close" | "ordered_list_close":
                    self._lists.pop()
                case "list_item_open":
                    self._prefix = self._item_prefix()
                case "inline":
                    self._paragraph(inline_text(token))
                case "fence" | "code_block":
                    self._paragraph(token.content)
                case "html_block":
                    self._paragraph(_TAG.sub(" ", _COMMENT.sub("", token.content)).strip())

    def _item_prefix(self) -> str:
        indent = "  " * (len(self._lists) - 1)
        number = self._lists[-1]
        if number is None:
            return f"{indent}- "
        self._lists[-1] = number + 1
        return f"{indent}{number}. "

    def _paragraph(self, text: str) -> None:
        if text.strip():
            self._builder.paragraph(self._prefix + text, tight=bool(self._prefix))
            self._prefix = ""


def _rows(stream: Iterator[Token]) -> Iterator[list[str]]:
    """The cells of each row up to the end of the table."""
    row: list[str] = []
    for token in stream:
        if token.type == "table_close":
            return
        if token.type == "tr_open":
            row = []
        elif token.type == "inline":
            row.append(inline_text(token))
        elif token.type == "tr_close":
            yield row


def inline_text(token: Token) -> str:
    """The words of an inline token: no marks, links as their text, pictures as their description."""
    parts = []
    for child in token.children or ():
        if child.type in ("text", "code_inline", "image"):
            parts.append(child.content)
        elif child.type in ("softbreak", "hardbreak") or child.content.lower().startswith("<br"):
            parts.append("\n")
    return "".join(parts)
