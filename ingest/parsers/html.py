"""HTML through selectolax (lexbor) and a block walk of our own: what a reader would see, in order.

The walk is a loop, not recursion: 20,000 nested elements are a file people send. Hidden elements are left
out and counted, because hidden text is where instructions to a model are planted; only what the element
itself says counts, style sheets are not read. Navigation and controls are left out too, and headers, footers
and asides of a page that marks its main content.
"""

from __future__ import annotations

import re
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ingest.builder import DocumentBuilder
from ingest.parsers.tables import table_lines
from ingest.source import Source
from ingest.types import ParsedDocument

# fmt: off
SKIPPED: Final = frozenset({
    "script", "style", "template", "noscript", "head", "svg", "math", "canvas", "iframe", "object",
    "select", "button", "nav", "dialog",
})
BLOCKS: Final = frozenset({
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "div", "dl",
    "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hr", "html", "legend", "li",
    "main", "menu", "ol", "option", "p", "pre", "section", "summary", "table", "tbody", "td", "tfoot",
    "th", "thead", "tr", "ul", "h1", "h2", "h3", "h4", "h5", "h6",
})
# fmt: on
_BESIDE: Final = frozenset({"header", "footer", "aside"})
_BESIDE_ROLES: Final = frozenset({"banner", "contentinfo", "complementary", "navigation", "search"})
_MAIN: Final = "main, [role=main]"
_ENOUGH_MAIN_CHARS: Final = 200  # below, the mark is likely not where the words are
_MAX_CELL_CHARS: Final = 1_000  # more is an article that a table sets beside a menu
_CELLS: Final = frozenset({"td", "th"})
_HEADINGS: Final = {f"h{level}": level for level in range(1, 7)}
_HIDING_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|opacity\s*:\s*0(?![.\d])|font-size\s*:\s*0(?![.\d])", re.I
)
_SPACE = re.compile(r"[ \t\r\n\f]+")


def parse_html(source: Source) -> ParsedDocument:
    """The visible text of a page with its headings and tables."""
    builder = DocumentBuilder(source.limits.text_chars)
    tree = LexborHTMLParser(source.text)
    left_out = add_html(tree, builder)
    title = tree.css_first("title")
    return builder.build(
        source.media_type,
        title=title.text() if title else None,
        warnings=(*source.decoding_warnings, *left_out),
    )


def add_html(tree: LexborHTMLParser, builder: DocumentBuilder) -> list[str]:
    """Add a page's visible blocks to `builder`; returns warnings that say what was left out."""
    walk = _Walk(builder, marks_main=_marks_main(tree))
    if tree.root is not None:
        walk.run(tree.root)
    warnings = []
    if walk.hidden:
        warnings.append(f"{walk.hidden} hidden elements were left out.")
    if walk.beside:
        warnings.append(f"{walk.beside} headers, footers and asides beside the main content were left out.")
    return warnings


class _Walk:
    """One pass over the tree in document order, collecting inline text into blocks."""

    def __init__(self, builder: DocumentBuilder, *, marks_main: bool) -> None:
        self.hidden = 0  # elements that a reader does not see
        self.beside = 0  # parts of the page that are not its main content
        self._marks_main = marks_main
        self._inside_main = 0
        self._builder = builder
        self._inline: list[str] = []
        self._item_prefix = ""
        self._preformatted = 0

    def run(self, root: LexborNode) -> None:
        stack: list[tuple[LexborNode, bool]] = [(root, False)]
        while stack:
            node, leaving = stack.pop()
            if leaving:
                self._leave(node)
            elif self._enter(node):
                stack.append((node, True))
                stack.extend((child, False) for child in reversed(_children(node)))
        self._flush()

    def _enter(self, node: LexborNode) -> bool:
        """True when the walk should go into `node`."""
        tag = node.tag or ""
        if tag == "-text":
            self._add_text(node.text_content or "")
        if tag.startswith("-") or tag in SKIPPED:
            return False
        if _is_hidden(node):
            self.hidden += 1
            return False
        if self._marks_main and not self._inside_main and _is_beside(node):
            self.beside += 1
            return False
        if tag in BLOCKS:
            self._flush()
        if tag == "table" and (table := _data_table(node)) is not None:
            self._builder.paragraph(table.caption)
            self._builder.table(table_lines(table.rows))
            self.hidden += table.hidden
            return False
        self._open(node, tag)
        return True

    def _open(self, node: LexborNode, tag: str) -> None:
        if tag == "br":
            self._inline.append("\n")
        elif tag == "li":
            self._item_prefix = "- "
        elif tag == "pre":
            self._preformatted += 1
        elif _is_main(node):
            self._inside_main += 1
        elif tag == "img":
            self._add_text(node.attributes.get("alt") or "")

    def _leave(self, node: LexborNode) -> None:
        tag = node.tag or ""
        if tag in _HEADINGS:
            self._builder.heading(_HEADINGS[tag], "".join(self._inline))
            self._inline.clear()
        elif tag in BLOCKS:
            self._flush()
        if tag == "pre":
            self._preformatted -= 1
        elif _is_main(node):
            self._inside_main -= 1

    def _add_text(self, text: str) -> None:
        self._inline.append(text if self._preformatted else _SPACE.sub(" ", text))

    def _flush(self) -> None:
        lines = "".join(self._inline).split("\n")
        text = "\n".join(lines if self._preformatted else [line.strip() for line in lines]).strip("\n")
        self._inline.clear()
        if text.strip():
            self._builder.paragraph(self._item_prefix + text, tight=bool(self._item_prefix))
            self._item_prefix = ""


def _children(node: LexborNode) -> list[LexborNode]:
    children = []
    child = node.child
    while child is not None:
        children.append(child)
        child = child.next
    return children


def _marks_main(tree: LexborHTMLParser) -> bool:
    return any(len(node.text().strip()) >= _ENOUGH_MAIN_CHARS for node in tree.css(_MAIN))


def _is_main(node: LexborNode) -> bool:
    return node.tag == "main" or node.attributes.get("role") == "main"


def _is_beside(node: LexborNode) -> bool:
    """A header, footer or aside that holds neither the main content nor the title of the page."""
    stated = node.tag in _BESIDE or node.attributes.get("role") in _BESIDE_ROLES
    return stated and node.css_first(f"h1, {_MAIN}") is None


def _is_hidden(node: LexborNode) -> bool:
    attributes = node.attributes
    return "hidden" in attributes or bool(_HIDING_STYLE.search(attributes.get("style") or ""))


def _data_table(node: LexborNode) -> _Table | None:
    """What a table of data shows; None for one that lays out other blocks."""
    if len(node.css("table")) > 1 or node.css_first("h1, h2, h3, h4, h5, h6, pre") is not None:
        return None  # `css` finds the table itself, too
    table = _Table(node)
    holds_text = any(len(cell) > _MAX_CELL_CHARS for row in table.rows for cell in row)
    return table if max(map(len, table.rows), default=0) > 1 and not holds_text else None


class _Table:
    """The visible cells of a table that has no other inside, row by row."""

    def __init__(self, table: LexborNode) -> None:
        self.caption = ""
        self.rows: list[list[str]] = []
        self.hidden = 0  # elements that a reader does not see
        stack = [table]
        while stack:
            node = stack.pop()
            if not self._is_seen(node):
                if node.tag in _CELLS:  # those behind it stay in their columns
                    self.rows[-1].append("")
            elif node.tag == "caption":
                self.caption = self._text(node)
            elif node.tag in _CELLS:  # a parser of HTML puts every cell into a row
                self.rows[-1].append(self._text(node))
            else:
                if node.tag == "tr":
                    self.rows.append([])
                stack.extend(reversed(_children(node)))

    def _text(self, top: LexborNode) -> str:
        """The visible text below `top` on one line."""
        parts: list[str] = []
        stack = list(reversed(_children(top)))
        while stack:
            node = stack.pop()
            if node.tag == "-text":
                parts.append(node.text_content or "")
            elif self._is_seen(node):
                if node.tag in BLOCKS or node.tag == "br":
                    parts.append(" ")
                stack.extend(reversed(_children(node)))
        return _SPACE.sub(" ", "".join(parts)).strip()

    def _is_seen(self, node: LexborNode) -> bool:
        tag = node.tag or ""
        if tag in SKIPPED or tag.startswith("-"):
            return False
        hidden = _is_hidden(node)
        self.hidden += hidden
        return not hidden
