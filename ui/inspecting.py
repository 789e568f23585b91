"""A replay or a weighing while it runs: how far it is, for how long, and a way to stop it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TypeVar

import streamlit as st

from ui.client import ApiError, Client
from ui.listening import batches
from ui.traces import InspectionProgress

Result = TypeVar("Result")
STAGES = {
    "prompt": "Reading the whole prompt",
    "passage": "Reading the prompt without passage {next} of {total}",
    "token": "Writing again: token {done} of {total}",
}


def watched(
    client: Client,
    message_id: int,
    name: str,
    start: Callable[[int], Iterable[InspectionProgress | Result]],
) -> Result | None:
    """Starts it and draws how far it is; its result, or None where it was stopped. Raises ApiError."""
    place = st.empty()
    with place.container():
        bar = st.progress(0.0, text="Starting")
        st.button(
            "Stop",
            key=f"stop-{name}",
            icon=":material/stop_circle:",
            on_click=stop,
            args=(client, message_id, name),
        )
    result: Result | None = None
    began, last = time.monotonic(), InspectionProgress(stage="", done=0, total=0, elapsed_s=0.0)
    for batch in batches(start(message_id)):
        for event in batch:
            if isinstance(event, InspectionProgress):
                last = event
            else:
                result = event
        share = last.done / last.total if last.total else 0.0
        bar.progress(min(1.0, share), text=headline(last, time.monotonic() - began))
    place.empty()
    return result


def headline(progress: InspectionProgress, elapsed_s: float) -> str:
    """`Reading the prompt without passage 2 of 3, 4 s`."""
    words = STAGES.get(progress.stage, "Starting")
    following = min(progress.done + 1, progress.total)
    return f"{words.format(done=progress.done, next=following, total=progress.total)}, {elapsed_s:.0f} s"


def stop(client: Client, message_id: int, name: str) -> None:
    """Stops it, and has the page say so; what has ended meanwhile needs no stopping."""
    try:
        client.cancel_inspection(message_id)
    except ApiError as error:
        if not error.not_found:
            raise
    st.session_state[f"stopped-{name}"] = True


def say_stopped(name: str) -> None:
    """Once, after a stop."""
    if st.session_state.pop(f"stopped-{name}", False):
        st.caption("Stopped. Nothing was changed.")
