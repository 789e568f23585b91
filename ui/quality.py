"""The quality report of a document: what a person should know before trusting answers from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import streamlit as st

from ui.schemas import Document, SimilarDocument
from ui.text import counted, escape_markdown
from ui.views import passage

SHOWN = 20  # pages, passages or documents in one line


def show_report(document: Document) -> None:
    """Notes behind a fold; nothing where there is nothing to say."""
    report = document.report or {}
    notes = [*report_notes(report), *map(similar_note, document.similar)]
    if not notes:
        return
    with st.expander("Worth knowing", icon=":material/info:"):
        for note in notes:
            st.markdown(f"- {note}")
        for excerpt in report.get("instruction_like") or []:
            passage(str(excerpt))


def report_notes(report: dict[str, Any]) -> Iterator[str]:
    """What was noticed while reading; the warnings come in words already."""
    for warning in report.get("warnings") or []:
        yield escape_markdown(str(warning))
    if report.get("doubtful_tables"):
        pages = listed(report.get("doubtful_table_pages") or [])
        tables = counted(report["doubtful_tables"], "table")
        yield f"The columns of {tables} are a guess (page {pages}): check them against the page's picture."
    if report.get("odd_chunk_count"):
        yield odd_note(report["odd_chunk_count"], report.get("odd_chunks") or [])
    if report.get("instruction_like"):
        yield "Some text addresses an assistant. It is treated as text, never obeyed:"


def odd_note(count: int, chunks: Sequence[dict[str, Any]]) -> str:
    """Passages that can hardly answer a question, by their place in the document."""
    places = listed([chunk["position"] + 1 for chunk in chunks])
    return f"{counted(count, 'passage')} of hardly any words can answer little: number {places}."


def similar_note(other: SimilarDocument) -> str:
    """A duplicate or near duplicate."""
    name = escape_markdown(other.file_name)
    if other.same_bytes:
        return f"**{name}** in this collection is the same file."
    if other.likeness >= 1:
        return f"**{name}** in this collection has the same text, or all but the same."
    return f"**{name}** in this collection has nearly the same text (about {other.likeness:.0%})."


def listed(numbers: Sequence[int]) -> str:
    """`1, 2, 3`, cut off where it gets long."""
    return ", ".join(str(number) for number in numbers[:SHOWN]) + (", …" if len(numbers) > SHOWN else "")
