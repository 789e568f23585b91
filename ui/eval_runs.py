"""Eval runs on the page: progress, measures with their intervals, and every question's outcome."""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import streamlit as st

from ui.client import Client
from ui.diagrams import readable, table
from ui.eval_schemas import CaseResult, EvalRun, Interval, Judge
from ui.paging import load_page, page_field
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
    "generate": "Questions written from documents",
    "calibrate": "A collection's threshold, calibrated",
}
AMOUNTS = frozenset(("seconds", "tokens", "ms"))
RESULTS_A_PAGE = 25
OUTCOMES = {"All": None, "Could not be scored": "unscorable", "Failed": "failed"}
UNSCORABLE = "unscorable"
INK = "#2a8a8a"  # seen on the light and on the dark ground


def title(run: EvalRun) -> str:
    """How a run is called where it is chosen."""
    configuration = run.config.get("configuration", "settings")
    searched = "" if configuration == "settings" else f", {configuration}"
    when = run.created_at.strftime("%d %b %H:%M")
    status = "" if run.status == "done" else f", {STATUS.get(run.status, run.status)}"
    return f"{run.id}: {run.kind}, {run.name}{searched} ({when}{status})"


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
    if named := run.config.get("judge"):
        judge = Judge.model_validate(named)
        st.caption(
            escape_markdown(f"Judged by {judge.model} too, prompt {judge.prompt_version}. {judge.notice}")
        )
    measures = run.intervals()
    say_unscorable(client, run, measures.get(UNSCORABLE))
    show_measures({name: each for name, each in measures.items() if name != UNSCORABLE})
    if run.set_id is not None and run.done:
        show_results(client, run)
    with st.popover("Delete run", icon=":material/delete:", type="tertiary"):
        st.markdown("Its measures and answers are removed.")
        if st.button("Delete", key=f"delete-run-{run.id}", type="primary"):
            with failures_shown():
                client.evals.delete_run(run.id)
                st.rerun()


def say_unscorable(client: Client, run: EvalRun, share: Interval | None) -> None:
    """How many questions nobody could judge, and the reason of the first one: a share alone helps nobody."""
    if share is None or not share.value:
        return
    with failures_shown():
        found, total = client.evals.results(run.id, UNSCORABLE, 1, 0)
        why = f" The first: {found[0].said}" if found else ""
        count = counted(total, "question") if run.kind in ("answers", "retrieval") else f"{total:,} of them"
        st.warning(escape_markdown(f"{count} could not be scored.{why}"), icon=":material/rule:")


def show_measures(measures: Mapping[str, Interval]) -> None:
    """Shares as a plot, then every figure."""
    if not measures:
        st.caption("There are no measures yet.")
        return
    plot({name: each for name, each in measures.items() if is_share(name)})
    rows = [tuple(map(str, measure_row(name, each).values())) for name, each in measures.items()]
    st.html(table(("measure", "value", "95% interval", "n"), rows, numbers=frozenset({1, 3})))
    st.caption("Intervals are 95% bootstrap intervals over the questions; n is how many could be scored.")


def show_results(client: Client, run: EvalRun) -> None:
    """Every question with what came back."""
    with st.expander("Question by question", icon=":material/list:"):
        chosen = st.segmented_control(
            "Outcome", list(OUTCOMES), default="All", label_visibility="collapsed", key=f"outcome-{run.id}"
        )
        outcome = OUTCOMES[chosen or "All"]
        key = f"results-{run.id}-{outcome}"

        def load(limit: int, offset: int) -> tuple[list[CaseResult], int]:
            return client.evals.results(run.id, outcome, limit, offset)

        with failures_shown():
            results, total = load_page(key, RESULTS_A_PAGE, load)
            if not total:
                st.caption("No question came out so.")
            for result in results:
                show_result(result)
            page_field(key, RESULTS_A_PAGE, total, width=170)


def show_result(result: CaseResult) -> None:
    """One question: what came back, or why it could not be judged."""
    variant = f" ({spelled(result.variant)})" if result.variant else ""
    st.markdown(f"**{escape_markdown(result.question)}**{variant}  \n{escape_markdown(result.said)}")
    if result.figures:
        st.caption(escape_markdown(result.figures))


def is_share(measure: str) -> bool:
    """Whether it lies between 0 and 1: times and tokens do not, and would flatten the plot (pure)."""
    return not AMOUNTS & set(measure.split("_"))


def plot(measures: Mapping[str, Interval]) -> None:
    """Points with their intervals, one measure a line."""
    rows = [
        {"measure": spelled(name), "value": each.value, "low": each.low, "high": each.high}
        for name, each in measures.items()
        if each.value is not None
    ]
    if not rows:
        return
    base = alt.Chart(alt.InlineData(rows), height=alt.Step(24)).encode(
        y=alt.Y("measure:N", sort=None, title=None, axis=alt.Axis(labelLimit=260))
    )
    span = base.mark_rule(strokeWidth=2, color=INK).encode(
        x=alt.X("low:Q", title=None, axis=alt.Axis(tickCount=5)), x2="high:Q"
    )
    point = base.mark_point(filled=True, size=70, opacity=1, color=INK).encode(x="value:Q")
    st.altair_chart(readable(span + point))


def measure_row(name: str, each: Interval) -> dict[str, str | int]:
    """A line of the table of measures."""
    bounds = "" if each.low is None or each.high is None else f"{each.low:.3f} to {each.high:.3f}"
    return {"measure": spelled(name), "value": _number(each.value), "95%": bounds, "n": each.n}


def spelled(measure: str) -> str:
    """A measure's name as people read it."""
    return measure.replace("_", " ")


def _number(value: float | None) -> str:
    return "unscorable" if value is None else f"{value:.3f}"
