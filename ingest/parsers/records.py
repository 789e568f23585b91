"""JSON and JSON Lines: one block a record, one `path: value` line a leaf."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ingest.builder import DocumentBuilder
from ingest.failures import ParseFailure
from ingest.source import Source
from ingest.types import ParsedDocument


def parse_json(source: Source) -> ParsedDocument:
    """A JSON file; the items of an outer list become blocks of their own."""
    value = json.loads(source.text)
    builder = DocumentBuilder(source.limits.text_chars)
    for record in value if isinstance(value, list) else [value]:
        builder.paragraph(record_text(record))
    return builder.build(source.media_type, warnings=source.decoding_warnings)


def parse_jsonl(source: Source) -> ParsedDocument:
    """A JSON Lines file; lines that are not JSON stay as they are and are named in a warning."""
    builder = DocumentBuilder(source.limits.text_chars)
    broken = []
    for number, line in enumerate(source.text.split("\n"), 1):
        try:
            builder.paragraph(record_text(json.loads(line)) if line.strip() else "")
        except (ValueError, RecursionError):
            broken.append(number)
            builder.paragraph(line)
    warnings = list(source.decoding_warnings)
    if broken:
        shown = ", ".join(map(str, broken[:10])) + (", ..." if len(broken) > 10 else "")
        warnings.append(f"{len(broken)} lines are not valid JSON and were kept as text: {shown}.")
    return builder.build(source.media_type, warnings=warnings)


def record_text(record: Any) -> str:
    """One line a leaf: `address.city: Oslo`, `tags[0]: red`; nulls are left out."""
    try:
        return "\n".join(f"{path}: {value}" if path else value for path, value in _leaves(record, ""))
    except RecursionError as error:
        raise ParseFailure("file_damaged", "The JSON is nested too deeply to read.") from error


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    elif value is not None:
        yield path, value if isinstance(value, str) else json.dumps(value)
