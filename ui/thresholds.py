"""How sure the answers of a collection must be: a slider, and the errors that were measured beside it."""

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

HELP = (
    "How sure an answer must be: the higher, the more questions are refused. Once calibrated, "
    "the evidence that a question needs follows it."
)


def threshold(
    client: Client, collection: Collection, sets: Sequence[EvalSet], runs: Sequence[EvalRun]
) -> None:
    """The level of a collection, with the error rates measured on its own questions."""
    gate = client.gate(collection.id)
    running = [
        run
        for run in runs
        if run.is_open and run.kind == "calibrate" and run.config.get("collection_id") == collection.id
    ]
    with st.container(border=True):
        key = f"threshold-{collection.id}"
        start = round(gate.in_force if by_evidence(gate) else gate.sureness_in_force, 2)
        chosen = st.slider(escape_markdown(collection.name), 0.0, 1.0, start, step=0.01, key=key, help=HELP)
        st.caption(rates(gate, chosen))
        with st.container(horizontal=True):
            if st.button("Use it", key=f"{key}-set", disabled=chosen == start):
                client.set_gate(collection.id, *level_at(gate, chosen))
                st.rerun()
            own = gate.threshold is not None or gate.min_sureness is not None
            if own and st.button(f"Default ({default_of(gate):g})", key=f"{key}-default"):
                client.set_gate(collection.id, None, None)
                st.session_state.pop(key, None)
                st.rerun()
            # another key closes it when a run begins, so that the progress below is seen
            with st.popover("Calibrate", icon=":material/straighten:", key=f"{key}-calibrate-{len(running)}"):
                calibrate(client, collection, sets)
        for run in running:
            progress(client, run.id)


def calibrate(client: Client, collection: Collection, sets: Sequence[EvalSet]) -> None:
    """Measures all levels on the questions of an eval set; nothing is put in force by it."""
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
        st.caption("Half of the questions choose the level, the other half measure it.")
        if st.form_submit_button("Measure", type="primary"):
            with failures_shown():
                client.calibrate(collection.id, chosen.id, wanted / 100)
                st.rerun()


def rates(gate: Gate, chosen: float) -> str:
    """What is known about a level, as a sentence."""
    calibration = gate.calibration
    if calibration is None or not calibration.curve:
        return (
            f"Evidence from {gate.in_force:.2f} on is answered from. "
            "Not measured for this collection yet: calibrate it with an eval set of its own questions."
        )
    point = nearest(calibration.curve, chosen)
    measured_here = round(level_of(point), 2) == round(chosen, 2)
    where = f"At {chosen:.2f}" if measured_here else f"Measured nearest to it, at {level_of(point):.2f}"
    stale = " Measured with other models: calibrate again." if gate.stale else ""
    best = calibration.recommended_sureness
    return escape_markdown(
        f"{where}, with evidence from {point.threshold:.2f} on: {share(point.false_answers)} of unanswerable "
        f"questions answered, {share(point.false_refusals)} of answerable ones refused "
        f"(set {calibration.set_name}). Recommended: {calibration.recommended if best is None else best:.2f}."
        f"{stale}"
    )


def level_of(point: GatePoint) -> float:
    """Where the slider stands for it: a decoder that never refuses leaves the evidence alone."""
    return point.threshold if point.min_sureness is None else point.min_sureness


def by_evidence(gate: Gate) -> bool:
    """Whether the calibration is of a decoder that never refuses: then the slider is the threshold."""
    return gate.calibration is not None and any(p.min_sureness is None for p in gate.calibration.curve)


def default_of(gate: Gate) -> float:
    """Where the slider stands without a level of the collection's own."""
    return gate.default if by_evidence(gate) else gate.default_sureness


def level_at(gate: Gate, chosen: float) -> tuple[float | None, float | None]:
    """Threshold and sureness where the slider stands; nothing is measured: the collection's own threshold."""
    if by_evidence(gate):
        return chosen, gate.min_sureness
    if gate.calibration is None or not gate.calibration.curve:
        return gate.threshold, chosen
    return nearest(gate.calibration.curve, chosen).threshold, chosen


def nearest(curve: Sequence[GatePoint], level: float) -> GatePoint:
    """The measured point that says what this level does."""
    return min(curve, key=lambda point: abs(level_of(point) - level))


def share(measured: SharePoint) -> str:
    """`4% (1 to 13%, 50 questions)`."""
    if measured.value is None or measured.low is None or measured.high is None:
        return "an unknown share"
    interval = f"{100 * measured.low:.0f} to {100 * measured.high:.0f}%"
    return f"{100 * measured.value:.0f}% ({interval}, {counted(measured.n, 'question')})"
