"""How far a document is: a bar for the stage at work, and a line with every stage of its life."""

from __future__ import annotations

import streamlit as st

from ui.schemas import Progress, StageCount
from ui.text import escape_markdown
from ui.views import failed_where

STAGES = {  # stage to what happens, and what has happened
    "stored": ("Fetching", "fetched"),
    "parse": ("Parsing pages", "parsed"),
    "chunk": ("Cutting passages", "chunked"),
    "embed": ("Embedding passages", "embedded"),
    "index": ("Adding to the index", "indexed"),
}


def show_progress(progress: Progress | None) -> None:
    """The stage, how much of it is done, the time left, and the stages before and after it."""
    if progress is None:
        return
    share = progress.done / progress.total if progress.total else 0.0
    st.progress(min(1.0, share), text=headline(progress))
    if progress.stages:
        st.caption(" → ".join(stage_marks(progress)))


def show_last_try(progress: Progress | None) -> None:
    """Why the try before failed, while another one waits or runs."""
    if progress is not None and progress.last_error is not None:
        failure = progress.last_error
        st.warning(
            f"The last try failed: {escape_markdown(failure.cause)} It is tried again by itself.  \n"
            f"{escape_markdown(failure.next_step)}",
            icon=":material/replay:",
        )
        st.caption(failed_where(failure))


def headline(progress: Progress) -> str:
    """`Embedding passages: 32 of 48`, with the time left where one can be told."""
    label = STAGES[progress.stage][0] if progress.stage in STAGES else escape_markdown(progress.stage)
    count = f": {progress.done:,} of {progress.total:,}" if progress.total else ""
    left = "" if progress.seconds_left is None else f", about {time_left(progress.seconds_left)} left"
    return label + count + left


def stage_marks(progress: Progress) -> list[str]:
    """Every stage in order: a tick where it is done, its count while it runs, grey before it begins."""
    counts = {count.stage: count for count in progress.stages}
    return [stage_mark(done, counts.get(stage)) for stage, (_, done) in STAGES.items()]


def stage_mark(name: str, count: StageCount | None) -> str:
    """One stage."""
    if count is None:
        return f":gray[{name}]"
    if count.total and count.done >= count.total:
        return f":green[{name} ✓]"
    return f"**{name} {count.done:,}/{count.total:,}**" if count.total else f"**{name}**"


def time_left(seconds: float) -> str:
    """Seconds, minutes or hours, never less than a second."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 90 * 60 else f"{round(seconds / 3600)} h"
