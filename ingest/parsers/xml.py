"""XML of no known kind: the text of its elements, in order."""

from __future__ import annotations

import re
from typing import Final
from xml.parsers import expat

from ingest.builder import DocumentBuilder
from ingest.failures import ParseFailure
from ingest.parsers.html import BLOCKS
from ingest.source import Source
from ingest.types import ParsedDocument

# fmt: off
_INLINE: Final = frozenset({
    "a", "abbr", "b", "bold", "br", "code", "em", "i", "italic", "span", "strong", "sub", "sup", "u",
    "underline",
})
_HTML: Final = sorted(BLOCKS | _INLINE | {
    "audio", "big", "cite", "col", "colgroup", "del", "embed", "font", "iframe", "img", "ins", "kbd", "mark",
    "nav", "noscript", "picture", "q", "s", "samp", "script", "small", "source", "strike", "style", "time",
    "tt", "var", "video", "wbr",
})
# fmt: on
_SPACE = re.compile(r"\s+")
# HTML that stands escaped in a feed. `List<String>` and `<ada@x.example>` are text.
_MARKUP = re.compile(rf"</?(?:{'|'.join([*_HTML, *map(str.upper, _HTML)])})(?:\s[^<>]*)?/?>")


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
        builder.paragraph(_SPACE.sub(" ", _MARKUP.sub(" ", "".join(inline))).strip())
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
