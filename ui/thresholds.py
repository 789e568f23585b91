"""The evidence threshold of a collection: a slider, and the errors that were measured beside it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui.client import Client
from ui.eval_runs import progress
from ui.eval_schemas import EvalRun, EvalSet
from ui.schemas import Collection
from ui.service_schemas import Gate, GatePoint, SharePoint
from ui.text import counted, escape_markdown
from ui.views import failures_shown


def threshold(
    client: Client, collection: Collection, sets: Sequence[EvalSet], runs: Sequence[EvalRun]
) -> None:
    """The threshold of a collection, with the error rates measured on its own questions."""
    gate = client.gate(collection.id)
    running = [
        run
        for run in runs
        if run.is_open and run.kind == "calibrate" and run.config.get("collection_id") == collection.id
    ]
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
            # another key closes it when a run begins, so that the progress below is seen
            with st.popover("Calibrate", icon=":material/straighten:", key=f"{key}-calibrate-{len(running)}"):
                calibrate(client, collection, sets)
        for run in running:
            progress(client, run.id)


def calibrate(client: Client, collection: Collection, sets: Sequence[EvalSet]) -> None:
    """Measures all thresholds on the questions of an eval set; nothing is put in force by it."""
    usable = [each for each in sets if each.ready and each.collection_id in (None, collection.id)]
    if not usable:
        st.caption(
            "Needs an eval set with questions that the documents answer and questions that they do not, "
            "at least 4 of each. Make one on the Evals page."
        )
        return
    with st.form(f"calibrate-{collection.id}", border=False):
        by_id = {each.id: each for each in usable}
        chosen = by_id[st.selectbox("Eval set", by_id, format_func=lambda id_: by_id[id_].name)]
        wanted = st.number_input(
            "Unanswerable questions that may be answered, %", 0.0, 100.0, 5.0, step=1.0, format="%.0f"
        )
        st.caption("Half of the questions choose the threshold, the other half measure it.")
        if st.form_submit_button("Measure", type="primary"):
            with failures_shown():
                client.calibrate(collection.id, chosen.id, wanted / 100)
                st.rerun()


def rates(gate: Gate, chosen: float) -> str:
    """What is known about a threshold, as a sentence."""
    calibration = gate.calibration
    if calibration is None or not calibration.curve:
        return "Not measured for this collection yet: calibrate it with an eval set of its own questions."
    point = nearest(calibration.curve, chosen)
    measured_here = round(point.threshold, 2) == round(chosen, 2)
    where = f"At {chosen:.2f}" if measured_here else f"Measured nearest to it, at {point.threshold:.2f}"
    stale = " Measured with another reranker: calibrate again." if gate.stale else ""
    return escape_markdown(
        f"{where}: {share(point.false_answers)} of unanswerable questions answered, "
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
