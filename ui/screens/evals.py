"""Evals: sets of questions with known answers, and what the product makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui.client import Client
from ui.diagrams import STYLE
from ui.eval_compare import compare
from ui.eval_runs import KINDS, progress, show_run, title
from ui.eval_schemas import EvalRun, EvalSet
from ui.eval_sets import show_sets
from ui.service import get_client
from ui.text import escape_markdown
from ui.views import failures_shown

STARTED = ("answers", "retrieval", "positions", "noise")  # kinds that are started here


def page() -> None:
    """Runs first, for they are what one comes back for; then the sets."""
    st.html(STYLE)
    st.title("Evals")
    client = get_client()
    runs_tab, compare_tab, sets_tab = st.tabs(["Runs", "Compare", "Sets"])
    sets, runs = client.evals.sets(), client.evals.runs()
    with runs_tab:
        show_runs(client, sets, runs)
    with compare_tab:
        compare(client, runs)
    with sets_tab:
        show_sets(client, sets, runs)


def show_runs(client: Client, sets: Sequence[EvalSet], runs: Sequence[EvalRun]) -> None:
    """Start one, watch it, read the others."""
    ready = [each for each in sets if each.ready]
    if ready:
        start(client, ready)
    elif sets:
        st.info("No question is ready to be asked yet. Write some under Sets, or review those that wait.")
    else:
        st.info("Evals ask questions whose answers you know. Upload or write some under Sets first.")
    for run in runs:
        if run.is_open and run.kind != "generate":  # those stand with their set
            progress(client, run.id)
    closed = [run for run in runs if not run.is_open]
    if closed:
        by_id = {run.id: run for run in closed}
        chosen = st.selectbox(
            "Finished runs",
            by_id,
            format_func=lambda id_: title(by_id[id_]),
            key=f"finished-{closed[0].id}",  # a run that has just finished is the one that is shown
        )
        show_run(client, by_id[chosen])
    elif sets:
        st.caption("No run has finished yet.")


def start(client: Client, sets: Sequence[EvalSet]) -> None:
    """A run over a set, with the configuration in force or a saved one."""
    saved = [each.name for each in client.configurations().items]
    with st.form("start-run"):
        names = {each.id: f"{each.name} ({each.ready})" for each in sets}
        set_id = st.selectbox("Set", names, format_func=names.__getitem__)
        kind = st.selectbox("What to measure", STARTED, format_func=KINDS.__getitem__)
        configuration = st.selectbox("Search configuration", ["in force", *saved]) if saved else "in force"
        judge = judge_choice(client)
        if st.form_submit_button("Start", type="primary"):
            with failures_shown():
                name = None if configuration == "in force" else configuration
                client.evals.start(set_id, kind, name, judge)  # type: ignore[arg-type]  # of STARTED
                st.rerun()


def judge_choice(client: Client) -> str | None:
    """The configured judge where it is wanted, under a notice of what that sends; nothing without one."""
    for judge in client.evals.judges():
        st.warning(
            escape_markdown(f"{judge.notice} Only with the judge, and only in this run."),
            icon=":material/public:",
        )
        if st.checkbox(escape_markdown(f"Also ask the judge {judge.model} (answers only)"), key="judge"):
            return judge.model
    return None
