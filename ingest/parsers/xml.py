"""XML of no known kind: the text of its elements, in order."""

from __future__ import annotations

import re
from typing import Final
from xml.parsers import expat

from ingest.builder import DocumentBuilder
from ingest.failures import ParseFailure
from ingest.parsers.html import BLOCKS, SKIPPED
from ingest.source import Source
from ingest.types import ParsedDocument

# fmt: off
_INLINE: Final = frozenset({
    "a", "abbr", "b", "bold", "br", "code", "em", "i", "italic", "span", "strong", "sub", "sup", "u",
    "underline",
})
_HTML: Final = BLOCKS | _INLINE | {
    "acronym", "audio", "bdi", "bdo", "big", "cite", "col", "colgroup", "datalist", "del", "dfn", "embed",
    "font", "frameset", "hgroup", "iframe", "img", "ins", "kbd", "mark", "nav", "nobr", "noframes",
    "noscript", "optgroup", "picture", "q", "rp", "rt", "ruby", "s", "samp", "script", "small", "source",
    "strike", "style", "svg", "textarea", "time", "tt", "var", "video", "wbr",
}
# Words that stand in angle brackets in other texts as well: `dict<data>`, `<title>`, `List<object>`.
_ALSO_WORDS: Final = (SKIPPED - _HTML) | {
    "applet", "area", "base", "circle", "data", "defs", "dir", "ellipse", "frame", "g", "image", "input",
    "label", "line", "link", "map", "marquee", "meta", "meter", "mfrac", "mi", "mn", "mo", "mrow", "msqrt",
    "msub", "msup", "mtext", "output", "param", "path", "polygon", "polyline", "progress", "rect", "search",
    "slot", "stop", "symbol", "text", "title", "track", "tspan", "use",
}
# fmt: on
_NEVER_CLOSED: Final = frozenset({"br", "hr", "wbr"})
_SPACE = re.compile(r"\s+")
_TAG = re.compile(
    r"<(?P<slash>/?)(?P<name>[A-Za-z][A-Za-z0-9]*(?::[A-Za-z][\w.-]*)?)(?P<rest>(?:\s[^<>]*)?/?)>", re.ASCII
)


def parse_xml(source: Source) -> ParsedDocument:
    """One paragraph an element with text of its own. Entities that a file defines are not expanded.

    Raises ParseFailure `file_damaged`, naming the line, when the file is not well formed.
    """
    builder = DocumentBuilder(source.limits.text_chars)
    reader = _reader(builder)
    try:
        reader.Parse(source.text, True)
    except expat.ExpatError as error:
        raise ParseFailure("file_damaged", f"The XML is not well formed: {error}.") from error
    return builder.build(source.media_type, warnings=source.decoding_warnings)


def _reader(builder: DocumentBuilder) -> expat.XMLParserType:
    inline: list[str] = []

    def flush() -> None:
        builder.paragraph(_SPACE.sub(" ", _without_markup("".join(inline))).strip())
        inline.clear()

    def boundary(name: str, *_: object) -> None:
        if name.rpartition(":")[2].lower() not in _INLINE:
            flush()

    def refuse_entity(*_: object) -> None:
        raise ParseFailure("file_damaged", "The XML defines entities, which are not expanded for safety.")

    reader = expat.ParserCreate("utf-8")
    reader.StartElementHandler = boundary
    reader.EndElementHandler = boundary
    reader.CharacterDataHandler = inline.append
    reader.EntityDeclHandler = refuse_entity
    return reader


def _without_markup(text: str) -> str:
    """Text whose HTML, which stands escaped in a feed, became spaces."""
    closed = {tag["name"] for tag in _TAG.finditer(text) if tag["slash"]}
    return _TAG.sub(lambda tag: " " if _is_markup(tag, closed) else tag[0], text)


def _is_markup(tag: re.Match[str], closed: set[str]) -> bool:
    """Whether it is a tag of HTML, or one of another namespace as Word writes them (`<o:p>`).

    A name that is a word as well, is written like a type or has a namespace must show it by an attribute or
    an end: `List<String>`, `Box<Table>`, `<host:port>` and `<ada@x.example>` are text.
    """
    name, html = tag["name"], tag["name"].lower()
    if html in _NEVER_CLOSED or (html in _HTML and name in (html, html.upper())):
        return True
    known = html in _HTML or html in _ALSO_WORDS or ":" in name
    return known and (name in closed or "=" in tag["rest"] or tag["rest"].endswith("/"))
