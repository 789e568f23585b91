"""Small helpers shared by the ingest tests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest import ocr
from ingest.parsers.registry import parse_source
from ingest.sniff import identify
from ingest.types import ParsedDocument, ParseLimits, TokenSpans
from tests.ingest.processes import SlowReader

ParseBytes = Callable[[bytes, str], ParsedDocument]


@pytest.fixture
def parse_bytes(tmp_path: Path) -> ParseBytes:
    """Parse bytes in this process; the name is only a hint, the file on disk has none."""

    def parse(data: bytes, file_name: str) -> ParsedDocument:
        path = tmp_path / "blob"
        path.write_bytes(data)
        return parse_source(identify(path, file_name, ParseLimits()))

    return parse


@pytest.fixture
def token_spans() -> TokenSpans:
    """Words and single signs, each one token."""
    return lambda text: [found.span() for found in re.finditer(r"\w+|[^\w\s]", text)]


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowReader]:
    reader = SlowReader(tmp_path)
    monkeypatch.setenv("PATH", str(reader.programs))
    ocr.installed_languages.cache_clear()
    yield reader
    ocr.installed_languages.cache_clear()
