"""Eval runs on the page: progress, measures with their intervals, and two runs side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import streamlit as st

from ui.client import Client
from ui.eval_schemas import CaseDifference, Difference, EvalRun, Interval
from ui.text import counted, escape_markdown
from ui.views import failures_shown

STATUS = {
    "queued": "waiting",
    "running": "running",
    "done": "done",
    "failed": "failed",
    "cancelled": "cancelled",
    "interrupted": "interrupted by a restart",
}
KINDS = {
    "answers": "Answers: right, cited, refused when they should be",
    "retrieval": "Retrieval: is the right passage found",
    "positions": "Positions: does it matter where the passage stands",
    "noise": "Noise: do other passages mislead",
    "claims": "Claims: are verdicts right",
}
TIMES = ("seconds", "tokens", "ms")  # measures that are no share and would flatten the plot
DIFFERENT_SHOWN = 50
INK = "#2a8a8a"  # seen on the light and on the dark ground


def title(run: EvalRun) -> str:
    """How a run is called where it is chosen."""
    return f"Run {run.id}: {run.kind}, {run.name} ({STATUS.get(run.status, run.status)})"


@st.fragment(run_every=2.0)
def progress(client: Client, run_id: int) -> None:
    """A run that is being worked on; the page is drawn anew when it ends."""
    run = next((each for each in client.evals.runs() if each.id == run_id), None)
    if run is None or not run.is_open:
        st.rerun()
        return
    share = run.done / run.total if run.total else 0.0
    st.progress(share, text=f"{escape_markdown(title(run))}: {run.done} of {run.total}")
    if st.button("Cancel", key=f"cancel-run-{run.id}"):
        with failures_shown():
            client.evals.cancel(run.id)


def show_run(client: Client, run: EvalRun) -> None:
    """What came of a run."""
    if run.status in ("cancelled", "interrupted"):
        st.warning(f"{STATUS[run.status].capitalize()} after {run.done} of {counted(run.total, 'question')}.")
        if st.button("Go on", key=f"resume-{run.id}"):
            with failures_shown():
                client.evals.resume(run.id)
            st.rerun()
    if run.error is not None:
        st.error(f"{escape_markdown(run.error.cause)} {escape_markdown(run.error.next_step)}")
    measures = run.intervals()
    if not measures:
        st.caption("There are no measures yet.")
        return
    shares = {name: each for name, each in measures.items() if not name.startswith(TIMES)}
    plot(shares)
    st.dataframe([_row(name, each) for name, each in measures.items()], hide_index=True)
    st.caption("Intervals are 95% bootstrap intervals over the questions; n is how many could be scored.")


def plot(measures: Mapping[str, Interval]) -> None:
    """Points with their intervals, one measure a line."""
    rows = [
        {"measure": spelled(name), "value": each.value, "low": each.low, "high": each.high}
        for name, each in measures.items()
        if each.value is not None
    ]
    if not rows:
        return
    base = alt.Chart(alt.InlineData(rows)).encode(
        y=alt.Y("measure:N", sort=None, title=None, axis=alt.Axis(labelLimit=260))
    )
    span = base.mark_rule(strokeWidth=2, color=INK).encode(x=alt.X("low:Q", title=None), x2="high:Q")
    point = base.mark_point(filled=True, size=70, opacity=1, color=INK).encode(x="value:Q")
    st.altair_chart(span + point)


def _row(name: str, each: Interval) -> dict[str, str | int]:
    bounds = "" if each.low is None or each.high is None else f"{each.low:.3f} to {each.high:.3f}"
    return {"measure": spelled(name), "value": _number(each.value), "95%": bounds, "n": each.n}


def spelled(measure: str) -> str:
    """A measure's name as people read it."""
    return measure.replace("_", " ")


def _number(value: float | None) -> str:
    return "unscorable" if value is None else f"{value:.3f}"


def compare(client: Client, runs: Sequence[EvalRun]) -> None:
    """Two finished runs over the same questions: what changed, and whether chance explains it."""
    finished = [run for run in runs if run.status == "done" and run.set_id is not None]
    if len(finished) < 2:
        st.caption("Two finished runs of one set can be compared here.")
        return
    candidate = st.selectbox("Run", finished, format_func=title, key="candidate-run")
    others = [run for run in finished if run.id != candidate.id and run.set_id == candidate.set_id]
    if not others:
        st.caption("No other run of this set has finished.")
        return
    baseline = st.selectbox("Against", others, format_func=title, key="baseline-run")
    with failures_shown():
        found = client.evals.compare(candidate.id, baseline.id)
        st.markdown(f"{counted(found.questions, 'question')} in both runs.")
        st.dataframe([_difference(name, each) for name, each in found.measures.items()], hide_index=True)
        changed = [case for case in found.cases if case.change != "same"]
        st.markdown(f"**{counted(len(changed), 'question')} came out differently**")
        for case in changed[:DIFFERENT_SHOWN]:
            show_difference(case)


def _difference(name: str, each: Difference) -> dict[str, str]:
    said = {True: "better", False: "worse", None: ""}[each.better]
    delta = _row(name, each.delta)
    return {
        "measure": spelled(name),
        "before": f"{each.baseline:.3f}",
        "now": f"{each.candidate:.3f}",
        "difference": f"{delta['value']} ({delta['95%']})",
        "p": f"{each.p:.3f}",
        "": said if each.significant else "may be chance",
    }


def show_difference(case: CaseDifference) -> None:
    """One question under both runs."""
    with st.expander(f"{case.change}: {escape_markdown(case.question)}"):
        for label, result in (("Before", case.baseline), ("Now", case.candidate)):
            answer = str(result.detail.get("answer", result.outcome) or result.outcome)
            scores = ", ".join(f"{name} {value}" for name, value in result.scores.items())
            st.markdown(f"**{label}:** {escape_markdown(answer)}")
            st.caption(escape_markdown(scores))
