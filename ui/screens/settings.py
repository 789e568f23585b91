"""Settings: what the service runs with, how fast it was, and the thresholds that can be changed here."""

from __future__ import annotations

import streamlit as st

from ui.diagrams import STYLE, table
from ui.service import get_client
from ui.service_schemas import ModelFacts, Overview
from ui.text import counted, escape_markdown, file_size
from ui.thresholds import threshold
from ui.views import failures_shown

KINDS = {
    "encoder": "Encoder: finds passages by meaning",
    "reranker": "Reranker: scores passages against the question",
    "verifier": "Verifier: checks claims against passages",
    "decoder": "Decoder: writes the answer",
    "answerer": "Adapter: makes the decoder cite",
}
STAGES = {
    "rewrite": "Understanding a follow-up",
    "search": "Search, reranking included",
    "rerank": "Reranking",
    "pack": "Building the prompt",
    "first_token": "First word after the prompt is ready",
    "generate": "Writing",
    "check": "Checking claims",
    "total": "All of it",
}


def page() -> None:
    """Thresholds, models, speed, and every setting with its variable."""
    st.html(STYLE)
    st.title("Settings")
    client = get_client()
    overview = client.overview()
    st.subheader("How sure answers must be")
    st.caption("What is less sure is not answered but refused; 0.5 is the answerer's own calibration.")
    sets, runs = client.evals.sets(), client.evals.runs()
    for collection in client.collections():
        with failures_shown():
            threshold(client, collection, sets, runs)
    st.subheader("Models")
    for model in overview.models:
        show_model(model)
    st.subheader("Speed on this machine")
    show_speed(overview)
    st.subheader("Limits and everything else")
    show_settings(overview)


def show_model(model: ModelFacts) -> None:
    """One network with its licence, size and source."""
    with st.container(border=True):
        st.markdown(f"**{KINDS.get(model.kind, escape_markdown(model.kind))}**")
        st.markdown(escape_markdown(f"{model.id}, {file_size(model.size_bytes)}"))
        st.caption(escape_markdown(f"Licence: {model.licence}. From: {model.source}"))


def show_speed(overview: Overview) -> None:
    """Times of the last answers, as they were measured while people asked."""
    if not overview.speed:
        st.caption("Not known yet: ask a question first.")
        return
    answers = max(each.answers for each in overview.speed)
    st.caption(f"Of the last {counted(answers, 'answer')}.")
    rows = [
        (STAGES.get(each.stage, each.stage), f"{each.median_ms:,.0f} ms", f"{each.p95_ms:,.0f} ms")
        for each in overview.speed
    ]
    st.html(table(("step", "median", "95% within"), rows, numbers=frozenset({1, 2})))


def show_settings(overview: Overview) -> None:
    """Every setting; these are read at start, so each names the variable to set."""
    st.caption("These are read when the service starts: set the variable and start it again.")
    words = st.text_input("Find a setting", placeholder="upload", key="find-setting").strip().casefold()
    found = [each for each in overview.settings if words in f"{each.variable} {each.description}".casefold()]
    if not found:
        st.caption("No setting is called or described so.")
        return
    rows = [
        (each.variable, "" if each.value is None else str(each.value), each.description) for each in found
    ]
    st.html(table(("variable", "value", "meaning"), rows))
