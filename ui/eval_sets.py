"""Sets of questions on the Evals page: from files, by hand or from the documents; reviewed; exported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from ui.client import Client
from ui.dropped import dropped
from ui.eval_runs import progress
from ui.eval_schemas import EvalCase, EvalRun, EvalSet
from ui.paging import load_page, page_field
from ui.text import counted, escape_markdown, place, shortened
from ui.views import failures_shown

FORMATS = (
    "JSON lines, CSV or SQuAD (`question`, `answers`, and `answerable` where the documents do not say), "
    "or the three files of a BEIR set."
)
CASES_A_PAGE = 25
OPEN = "open-set"  # session key: the id of the set that is looked into
STATUS = {"All": None, "To review": "review", "Ready": "ready"}


def show_sets(client: Client, sets: Sequence[EvalSet], runs: Sequence[EvalRun]) -> None:
    """Make a set, then look into one."""
    collections = {each.name: each.id for each in client.collections()}
    newest = max((each.id for each in sets), default=0)  # another key closes it when a set was made
    with st.expander("New set", expanded=not sets, icon=":material/add:", key=f"new-set-{newest}"):
        new_set(client, collections)
    if not sets:
        return
    by_id = {each.id: each for each in sets}  # a kept choice is an id: the set behind it changes
    chosen = by_id[st.selectbox("Set", by_id, format_func=lambda id_: by_id[id_].name, key=OPEN)]
    named = {id_: name for name, id_ in collections.items()}
    where = "all documents" if chosen.collection_id is None else named.get(chosen.collection_id, "nothing")
    review = f", {chosen.review} to review" if chosen.review else ""
    st.caption(escape_markdown(f"{counted(chosen.ready, 'question')} ready{review}; asked of {where}"))
    writing = [run for run in runs if run.is_open and run.kind == "generate" and run.set_id == chosen.id]
    for run in writing:
        progress(client, run.id)
    written = [run for run in runs if run.kind == "generate" and run.set_id == chosen.id and run.metrics]
    if written and (told := dropped(max(written, key=lambda run: run.id).intervals())):
        st.caption(f"Written last from the documents: {told}")
    actions(client, chosen, len(writing))
    show_cases(client, chosen)


def new_set(client: Client, collections: Mapping[str, int]) -> None:
    """An empty set, or one read from files."""
    with st.form("new-set", border=False):
        name = st.text_input("Name", max_chars=200, key="set-name").strip()
        where = st.selectbox("Asked of", ["all documents", *collections])
        files = st.file_uploader(
            "Questions",
            type=["jsonl", "csv", "json", "tsv"],
            accept_multiple_files=True,
        )
        st.caption(f"{FORMATS} Without a file the set starts empty.")
        if st.form_submit_button("Create", type="primary") and name:
            with failures_shown():
                collection_id = collections.get(where)
                if files:
                    made = client.evals.upload(name, [(each.name, each) for each in files], collection_id)
                else:
                    made = client.evals.create(name, collection_id)
                st.session_state[OPEN] = made.id
                st.rerun()


def actions(client: Client, chosen: EvalSet, writing: int) -> None:
    """What can be done with the whole set; `writing` runs are at it."""
    with st.container(horizontal=True):
        with st.popover("Write a question", icon=":material/edit:"):
            write(client, chosen)
        # another key closes it when a run begins, so that the progress above is seen
        with st.popover("From the documents", icon=":material/auto_awesome:", key=f"from-{writing}"):
            generate(client, chosen)
        st.download_button(
            "Export",
            lambda: client.evals.export(chosen.id),
            f"{chosen.name}.jsonl",
            icon=":material/download:",
            on_click="ignore",
        )
        with st.popover("Delete set", icon=":material/delete:"):
            st.markdown("Its runs stay, without their questions.")
            if st.button("Delete", key=f"delete-set-{chosen.id}", type="primary"):
                with failures_shown():
                    client.evals.delete_set(chosen.id)
                    st.rerun()


def write(client: Client, chosen: EvalSet) -> None:
    """A question by hand."""
    with st.form(f"add-{chosen.id}", clear_on_submit=True, border=False):
        question = st.text_input("Question").strip()
        answer = st.text_input("Answer", help="Leave empty where the documents do not say.").strip()
        if st.form_submit_button("Add", type="primary") and question:
            with failures_shown():
                client.evals.add_case(chosen.id, question, [answer] if answer else [], bool(answer))
                st.rerun()


def generate(client: Client, chosen: EvalSet) -> None:
    """Questions that the decoder writes about passages; a person reviews them."""
    with st.form(f"generate-{chosen.id}", border=False):
        st.caption(
            "The decoder asks about passages of your documents and answers from them. "
            "What is not answered back from the passage, by search and answerer too, is dropped, and so are "
            "questions that are too short, speak of their passage or repeat another; the rest waits for your "
            "review. "
            "Questions that your documents do not answer you write yourself."
        )
        passages = st.number_input("Passages to ask about", 1, 1000, 20)
        if st.form_submit_button("Write questions", type="primary"):
            with failures_shown():
                client.evals.generate(chosen.id, int(passages))
                st.rerun()


def show_cases(client: Client, chosen: EvalSet) -> None:
    """A page of the questions, those that wait for review first if there are any."""
    chosen_status = st.segmented_control(
        "Questions",
        list(STATUS),
        default="To review" if chosen.review else "All",
        label_visibility="collapsed",
        key=f"cases-{chosen.id}-{bool(chosen.review)}",
    )
    status = STATUS[chosen_status or "All"]
    key = f"page-{chosen.id}-{status}"

    def load(limit: int, offset: int) -> tuple[list[EvalCase], int]:
        return client.evals.cases(chosen.id, status, limit, offset)

    cases, total = load_page(key, CASES_A_PAGE, load)
    if not total:
        st.caption("No questions here. Write one, or have some written from your documents.")
    for case in cases:
        show_case(client, case)
    page_field(key, CASES_A_PAGE, total, width=170)


def show_case(client: Client, case: EvalCase) -> None:
    """A question, its answer and place, and for one that waits for a person why."""
    with st.container(border=True):
        st.markdown(escape_markdown(case.question))
        known = "; ".join(case.answers) or (
            "no answer given" if case.answerable else "the documents do not say"
        )
        st.caption(escape_markdown(f"Answer: {known}"))
        for gold in case.gold:
            if gold.file:
                words = f": “{shortened(gold.quote, 160)}”" if gold.quote else ""
                st.caption(escape_markdown(f"{place(gold.file, gold.page)}{words}"))
        for note in case.notes:
            st.markdown(f":orange[:material/info: {escape_markdown(note)}]")
        with st.container(horizontal=True):
            if case.status == "review" and st.button("Accept", key=f"accept-{case.id}", type="primary"):
                with failures_shown():
                    client.evals.change_case(case.id, status="ready")
                    st.rerun()
            with st.popover("Edit", key=f"edit-case-{case.id}", type="tertiary"):
                edit(client, case)
            if st.button("Delete", key=f"delete-case-{case.id}", type="tertiary"):
                with failures_shown():
                    client.evals.delete_case(case.id)
                    st.rerun()


def edit(client: Client, case: EvalCase) -> None:
    """Other words and another answer; saving ends the review."""
    key = f"edited-{case.id}"
    with st.form(key, border=False):
        question = st.text_area("Question", case.question, key=f"{key}-question").strip()
        answers = st.text_area("Answers, one a line", "\n".join(case.answers), key=f"{key}-answers")
        unanswerable = st.checkbox("The documents don't say", case.answerable is False, key=f"{key}-none")
        if st.form_submit_button("Save", type="primary") and question:
            lines = [] if unanswerable else [line.strip() for line in answers.splitlines() if line.strip()]
            changed = {"question": question, "answers": lines, "answerable": not unanswerable}
            if unanswerable:
                changed["gold"] = []
            with failures_shown():
                client.evals.change_case(case.id, status="ready", **changed)
                st.rerun()
