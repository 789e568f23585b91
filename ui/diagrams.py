"""Diagrams as HTML: the waterfall of stages, the parts of a prompt, bars, tables. Text in, text out."""

from __future__ import annotations

import html
from collections.abc import Sequence

import altair as alt
import streamlit as st

from ui.traces import PromptPart, Stage

NAMES = {
    "rewrite": "Understand the question",
    "search": "Search",
    "encode": "Encode",
    "dense": "By meaning",
    "bm25": "By words",
    "fuse": "Fuse",
    "load": "Load",
    "rerank": "Rerank",
    "pack": "Pack the prompt",
    "generate": "Write",
    "first_token": "First token",
    "check": "Check the claims",
}
LIGHT_PAGE_INK, DARK_PAGE_INK = "#4c5756", "#b4bdba"  # the greys of the theme
WIDE_COLUMNS = 5  # a table with more is scrolled on a phone rather than squeezed
STYLE = """
<style>
.diagram { font-size: 0.875rem; overflow-x: auto; }
.diagram .row { display: grid; grid-template-columns: 11rem 1fr 5rem; gap: 0.75rem; align-items: center;
  min-height: 1.6rem; }
.diagram .row.part span:first-child { padding-left: 1.1rem; opacity: 0.8; }
.diagram .row span:last-child { text-align: right; font-variant-numeric: tabular-nums; }
.diagram .lane { position: relative; height: 0.8rem; border-radius: 0.2rem;
  background: rgba(128, 128, 128, 0.13); }
.diagram .lane i { position: absolute; top: 0; bottom: 0; min-width: 2px; border-radius: 0.2rem;
  background: #1d6f74; }
.diagram .part .lane i { background: #6aa9ad; }
.diagram .stack { display: flex; height: 1.6rem; border-radius: 0.25rem; overflow: hidden;
  margin: 0.2rem 0 0.5rem; }
.diagram .stack i { font-style: normal; color: #fff; text-align: center; line-height: 1.6rem;
  overflow: hidden; border-right: 1px solid #fff; white-space: nowrap; font-size: 0.75rem; }
.diagram .preamble { background: #5f6b76; } .diagram .passage-part { background: #1d6f74; }
.diagram .question { background: #8a5a12; }
.diagram table { border-collapse: collapse; width: 100%; }
.diagram table.wide { min-width: 36rem; }
.diagram th, .diagram td { text-align: left; padding: 0.3rem 0.6rem 0.3rem 0; vertical-align: top;
  border-bottom: 1px solid rgba(128, 128, 128, 0.25); }
.diagram td.number, .diagram th.number { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
.diagram td { overflow-wrap: anywhere; }
.diagram th { white-space: nowrap; }
@media (max-width: 640px) { .diagram .row { grid-template-columns: 7.5rem 1fr 4.2rem; gap: 0.4rem; } }
</style>
"""


def readable(chart: alt.LayerChart) -> alt.LayerChart:
    """The chart with words as dark, or as light, as the page has them: Streamlit's own are too faint."""
    ink = DARK_PAGE_INK if st.context.theme.type == "dark" else LIGHT_PAGE_INK
    inked: alt.LayerChart = chart.configure_axis(labelColor=ink, titleColor=ink)
    legible: alt.LayerChart = inked.configure_legend(labelColor=ink)
    return legible


def waterfall(stages: Sequence[Stage]) -> str:
    """A lane for each stage with its time in milliseconds; those without a start are left to the caller."""
    placed = [stage for stage in stages if stage.start_ms is not None and stage.name != "total"]
    end_ms = max((_end(stage) for stage in placed), default=0.0) or 1.0
    return f'<div class="diagram">{"".join(_lane(stage, end_ms) for stage in placed)}</div>'


def _end(stage: Stage) -> float:
    return (stage.start_ms or 0.0) + stage.ms


def _lane(stage: Stage, end_ms: float) -> str:
    left, width = 100 * (stage.start_ms or 0.0) / end_ms, 100 * stage.ms / end_ms
    kind = "row part" if stage.part_of else "row"
    bar = f'<div class="lane"><i style="left: {left:.2f}%; width: {width:.2f}%"></i></div>'
    name = html.escape(NAMES.get(stage.name, stage.name))
    return f'<div class="{kind}"><span>{name}</span>{bar}<span>{stage.ms:,.1f} ms</span></div>'


def prompt_bar(parts: Sequence[PromptPart]) -> str:
    """The parts of a prompt side by side, as wide as their tokens."""
    total = sum(part.tokens for part in parts) or 1
    kinds = {"passage": "passage-part"}
    pieces = "".join(
        f'<i class="{kinds.get(part.kind, part.kind)}" style="width: {100 * part.tokens / total:.2f}%" '
        f'title="{html.escape(part.kind)}">{part.tokens}</i>'
        for part in parts
    )
    return f'<div class="diagram"><div class="stack">{pieces}</div></div>'


def bars(rows: Sequence[tuple[str, float]]) -> str:
    """A bar for each name as long as its figure, which stands behind it; below nothing there is none."""
    most = max((value for _, value in rows), default=0.0)
    lanes = (
        f'<div class="row"><span>{html.escape(name)}</span><div class="lane">'
        f'<i style="left: 0; width: {100 * max(0.0, value) / most if most > 0 else 0:.1f}%"></i></div>'
        f"<span>{value:+.2f}</span></div>"
        for name, value in rows
    )
    return f'<div class="diagram">{"".join(lanes)}</div>'


def table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: frozenset[int] = frozenset()) -> str:
    """A table; the columns in `numbers` are set to the right."""

    def line(tag: str, cells: Sequence[str]) -> str:
        kinds = [' class="number"' if at in numbers else "" for at in range(len(cells))]
        pairs = zip(kinds, cells, strict=True)
        written = (f"<{tag}{kind}>{html.escape(cell)}</{tag}>" for kind, cell in pairs)
        return f"<tr>{''.join(written)}</tr>"

    body = "".join(line("td", row) for row in rows)
    wide = ' class="wide"' if len(head) > WIDE_COLUMNS else ""
    rows_of_it = f"<thead>{line('th', head)}</thead><tbody>{body}</tbody>"
    return f'<div class="diagram"><table{wide}>{rows_of_it}</table></div>'
