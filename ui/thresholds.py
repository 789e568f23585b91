"""How sure the answers of a collection must be: a slider, and the errors that were measured beside it."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import streamlit as st

from ui.client import Client
from ui.diagrams import readable, table
from ui.eval_runs import progress
from ui.eval_schemas import EvalRun, EvalSet
from ui.schemas import Collection
from ui.service_schemas import Gate, GatePoint, SharePoint
from ui.text import counted, escape_markdown
from ui.views import failures_shown

ERRORS = ("not in the documents, answered all the same", "in the documents, refused")
SHORT = ("false answers", "false refusals")
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
        measured(gate, chosen)
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


def measured(gate: Gate, chosen: float) -> None:
    """Both error rates at the level where the slider stands, and over all levels."""
    st.caption(escape_markdown(known(gate, chosen)))
    if gate.calibration is None or not gate.calibration.curve:
        return
    point = nearest(gate.calibration.curve, chosen)
    rows = [(label, *share(each)) for label, each in zip(ERRORS, errors_at(point), strict=True)]
    st.html(table(("measured on its own questions", "share", "95% interval"), rows, numbers=frozenset({1})))
    with st.expander("Over all levels", icon=":material/show_chart:"):
        plot(gate.calibration.curve, chosen)


def known(gate: Gate, chosen: float) -> str:
    """What the figures below are of, as a sentence; what to do where there are none (pure)."""
    calibration = gate.calibration
    if calibration is None or not calibration.curve:
        return (
            f"Evidence from {gate.in_force:.2f} on is answered from. "
            "Not measured for this collection yet: calibrate it with an eval set of its own questions."
        )
    point = nearest(calibration.curve, chosen)
    measured_here = round(level_of(point), 2) == round(chosen, 2)
    where = f"At {chosen:.2f}" if measured_here else f"Measured nearest to it, at {level_of(point):.2f}"
    best = calibration.recommended if calibration.recommended_sureness is None else (
        calibration.recommended_sureness
    )  # fmt: skip
    stale = " Measured with other models: calibrate again." if gate.stale else ""
    return (
        f"{where}, with evidence from {point.threshold:.2f} on, by the set {calibration.set_name}. "
        f"Recommended: {best:.2f}.{stale}"
    )


def errors_at(point: GatePoint) -> tuple[SharePoint, SharePoint]:
    """In the order of ERRORS (pure)."""
    return point.false_answers, point.false_refusals


def plot(curve: Sequence[GatePoint], chosen: float) -> None:
    """Both rates over the level, and where the slider stands."""
    rows = [
        {"level": level_of(point), "share": each.value, "what": short}
        for point in sorted(curve, key=level_of)
        for short, each in zip(SHORT, errors_at(point), strict=True)
        if each.value is not None
    ]
    lines = (
        alt.Chart(alt.InlineData(rows), height=260)
        .mark_line(point=True)
        .encode(
            x=alt.X("level:Q", title=None, scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("share:Q", title=None, axis=alt.Axis(format="%")),
            color=alt.Color(
                "what:N", title=None, scale=alt.Scale(domain=list(SHORT), range=["#c9892b", "#2a8a8a"]),
                legend=alt.Legend(orient="bottom"),
            ),
            strokeDash=alt.StrokeDash("what:N", legend=None),
        )
    )  # fmt: skip
    here = alt.Chart(alt.InlineData([{"level": chosen}])).mark_rule(strokeDash=[2, 2]).encode(x="level:Q")
    st.altair_chart(readable(lines + here))


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


def share(measured: SharePoint) -> tuple[str, str]:
    """`4%` and `1 to 13% (50 questions)` (pure)."""
    if measured.value is None or measured.low is None or measured.high is None:
        return "unknown", "no such question was asked"
    interval = f"{100 * measured.low:.0f} to {100 * measured.high:.0f}%"
    return f"{100 * measured.value:.0f}%", f"{interval} ({counted(measured.n, 'question')})"
