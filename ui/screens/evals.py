"""Evals: sets of questions with known answers, and what the product makes of them."""

from __future__ import annotations

import streamlit as st

from ui.client import Client
from ui.eval_runs import KINDS, compare, progress, show_run, title
from ui.eval_schemas import EvalCase, EvalSet
from ui.service import get_client
from ui.text import counted, escape_markdown
from ui.views import failures_shown

FORMATS = "JSON lines, CSV or SQuAD: `question`, `answers`, and `answerable` where the documents do not say."


def page() -> None:
    """Runs first, for they are what one comes back for; then the sets."""
    st.title("Evals")
    client = get_client()
    runs_tab, compare_tab, sets_tab = st.tabs(["Runs", "Compare", "Sets"])
    sets = client.evals.sets()
    with runs_tab:
        show_runs(client, sets)
    with compare_tab:
        compare(client, client.evals.runs())
    with sets_tab:
        show_sets(client, sets)


def show_runs(client: Client, sets: list[EvalSet]) -> None:
    """Start one, watch it, read the others."""
    if not sets:
        st.info("Evals ask questions whose answers you know. Upload or write some under Sets first.")
    else:
        start(client, sets)
    runs = client.evals.runs()
    for run in runs:
        if run.is_open:
            progress(client, run.id)
    closed = [run for run in runs if not run.is_open]
    if closed:
        show_run(client, st.selectbox("Finished runs", closed, format_func=title))
    elif sets:
        st.caption("No run has finished yet.")


def start(client: Client, sets: list[EvalSet]) -> None:
    """A run over a set, with the configuration in force or a saved one."""
    saved = [each.name for each in client.configurations().items]
    with st.form("start-run"):
        chosen = st.selectbox("Set", sets, format_func=lambda each: f"{each.name} ({each.ready})")
        kinds = [kind for kind in KINDS if kind != "claims"]
        kind = st.selectbox("What to measure", kinds, format_func=KINDS.__getitem__)
        configuration = st.selectbox("Search configuration", ["in force", *saved])
        if st.form_submit_button("Start", type="primary"):
            with failures_shown():
                name = None if configuration == "in force" else configuration
                client.evals.start(chosen.id, kind, name)  # type: ignore[arg-type]  # keys of KINDS
                st.rerun()


def show_sets(client: Client, sets: list[EvalSet]) -> None:
    """Make a set, then look into one."""
    collections = {each.name: each.id for each in client.collections()}
    with st.expander("New set", expanded=not sets, icon=":material/add:"), st.form("new-set", border=False):
        name = st.text_input("Name", max_chars=200, key="set-name").strip()
        where = st.selectbox("Asked of", ["all documents", *collections])
        file = st.file_uploader("Questions", type=["jsonl", "csv", "json"], help=FORMATS)
        st.caption(f"{FORMATS} Without a file the set starts empty.")
        if st.form_submit_button("Create", type="primary") and name:
            with failures_shown():
                collection_id = collections.get(where)
                if file is None:
                    client.evals.create(name, collection_id)
                else:
                    client.evals.upload(name, file.name, file, collection_id)
                st.rerun()
    if sets:
        show_set(client, st.selectbox("Set", sets, format_func=lambda each: each.name, key="open-set"))


def show_set(client: Client, chosen: EvalSet) -> None:
    """The questions of a set, one more, and what can be done with the whole."""
    review = f", {chosen.review} to review" if chosen.review else ""
    st.markdown(f"{counted(chosen.ready, 'question')}{review}")
    with st.form(f"add-{chosen.id}", clear_on_submit=True):
        question = st.text_input("Question").strip()
        answer = st.text_input("Answer", help="Leave empty where the documents do not say.").strip()
        if st.form_submit_button("Add") and question:
            with failures_shown():
                client.evals.add_case(chosen.id, question, [answer] if answer else [], bool(answer))
                st.rerun()
    for case in client.evals.cases(chosen.id):
        show_case(client, case)
    with st.container(horizontal=True):
        st.download_button(
            "Export",
            lambda: client.evals.export(chosen.id),
            f"{chosen.name}.jsonl",
            icon=":material/download:",
        )
        with st.popover("Delete set", icon=":material/delete:"):
            st.markdown("Its runs stay, without their questions.")
            if st.button("Delete", key=f"delete-set-{chosen.id}", type="primary"):
                with failures_shown():
                    client.evals.delete_set(chosen.id)
                    st.rerun()


def show_case(client: Client, case: EvalCase) -> None:
    """A question, its answer, and for one that waits for a person why."""
    with st.container(border=True):
        st.markdown(escape_markdown(case.question))
        known = "; ".join(case.answers) or (
            "no answer given" if case.answerable else "the documents do not say"
        )
        st.caption(escape_markdown(known))
        for note in case.notes:
            st.warning(escape_markdown(note))
        with st.container(horizontal=True):
            if case.status == "review" and st.button("Accept", key=f"accept-{case.id}"):
                with failures_shown():
                    client.evals.accept_case(case)
                    st.rerun()
            if st.button("Delete", key=f"delete-case-{case.id}", type="tertiary"):
                with failures_shown():
                    client.evals.delete_case(case.id)
                    st.rerun()
