"""Settings: what the service runs with, how fast it was, and the thresholds that can be changed here."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui.client import Client
from ui.schemas import Collection
from ui.service import get_client
from ui.service_schemas import Gate, GatePoint, ModelFacts, Overview, SharePoint
from ui.text import counted, escape_markdown, file_size
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
    st.title("Settings")
    client = get_client()
    overview = client.overview()
    st.subheader("Evidence thresholds")
    st.caption("The best passage must reach this relevance, or the answer is a refusal.")
    for collection in client.collections():
        with failures_shown():
            threshold(client, collection)
    st.subheader("Models")
    for model in overview.models:
        show_model(model)
    st.subheader("Speed on this machine")
    show_speed(overview)
    st.subheader("Limits and everything else")
    show_settings(overview)


def threshold(client: Client, collection: Collection) -> None:
    """The threshold of a collection, with the error rates measured on its own questions."""
    gate = client.gate(collection.id)
    with st.container(border=True):
        key = f"threshold-{collection.id}"
        chosen = st.slider(
            escape_markdown(collection.name), 0.0, 1.0, round(gate.in_force, 2), step=0.01, key=key
        )
        st.caption(rates(gate, chosen))
        with st.container(horizontal=True):
            if st.button("Use it", key=f"{key}-set", disabled=chosen == round(gate.in_force, 2)):
                client.set_threshold(collection.id, chosen)
                st.rerun()
            if gate.threshold is not None and st.button(f"Default ({gate.default:g})", key=f"{key}-default"):
                client.set_threshold(collection.id, None)
                st.session_state.pop(key, None)
                st.rerun()


def rates(gate: Gate, chosen: float) -> str:
    """What is known about a threshold, as a sentence."""
    calibration = gate.calibration
    if calibration is None or not calibration.curve:
        return "Not measured for this collection yet: calibrate it with an eval set of its own questions."
    point = nearest(calibration.curve, chosen)
    stale = " Measured with another reranker: calibrate again." if gate.stale else ""
    return escape_markdown(
        f"At {point.threshold:.2f}: {share(point.false_answers)} of unanswerable questions answered, "
        f"{share(point.false_refusals)} of answerable ones refused (set {calibration.set_name}). "
        f"Recommended: {calibration.recommended:.2f}.{stale}"
    )


def nearest(curve: Sequence[GatePoint], threshold: float) -> GatePoint:
    """The measured point that says what this threshold does."""
    return min(curve, key=lambda point: abs(point.threshold - threshold))


def share(measured: SharePoint) -> str:
    """`4% (1 to 13%, 50 questions)`."""
    if measured.value is None or measured.low is None or measured.high is None:
        return "an unknown share"
    interval = f"{100 * measured.low:.0f} to {100 * measured.high:.0f}%"
    return f"{100 * measured.value:.0f}% ({interval}, {counted(measured.n, 'question')})"


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
    st.table(
        {
            "Step": [STAGES.get(each.stage, each.stage) for each in overview.speed],
            "Median": [f"{each.median_ms:,.0f} ms" for each in overview.speed],
            "95% within": [f"{each.p95_ms:,.0f} ms" for each in overview.speed],
        }
    )


def show_settings(overview: Overview) -> None:
    """Every setting; these are read at start, so each names the variable to set."""
    st.caption("These are read when the service starts: set the variable and start it again.")
    words = st.text_input("Find a setting", placeholder="upload", key="find-setting").strip().casefold()
    found = [each for each in overview.settings if words in f"{each.variable} {each.description}".casefold()]
    if not found:
        st.caption("No setting is called or described so.")
        return
    st.dataframe(
        {
            "Variable": [each.variable for each in found],
            "Value": ["" if each.value is None else str(each.value) for each in found],
            "Meaning": [each.description for each in found],
        },
        hide_index=True,
    )
