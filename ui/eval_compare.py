"""Two runs side by side on the Evals page, and what may follow: a configuration is put in force."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui.client import Client
from ui.diagrams import table
from ui.eval_runs import spelled, title
from ui.eval_schemas import CaseDifference, Comparison, Difference, EvalRun
from ui.service_schemas import Configurations
from ui.text import counted, escape_markdown
from ui.views import failures_shown

DIFFERENT_SHOWN = 50
ADOPTABLE = ("answers", "retrieval")  # kinds of runs that say something about a search configuration


def compare(client: Client, runs: Sequence[EvalRun]) -> None:
    """Two finished runs over the same questions: what changed, and whether chance explains it."""
    in_force(client)
    comparable = [run for run in runs if rivals(run, runs)]
    if not comparable:
        st.caption("Two finished runs of one kind over one set can be compared here.")
        return
    candidate = choice("Run", comparable, "candidate-run")
    baseline = choice("Against", rivals(candidate, runs), f"baseline-of-{candidate.id}")
    with failures_shown():
        found = client.evals.compare(candidate.id, baseline.id)
        show_comparison(found)
        adoption(client, candidate, baseline)
        differences(found.cases)


def choice(label: str, runs: Sequence[EvalRun], key: str) -> EvalRun:
    """One of the runs, chosen by its id."""
    by_id = {run.id: run for run in runs}
    return by_id[st.selectbox(label, by_id, format_func=lambda id_: title(by_id[id_]), key=key)]


def rivals(run: EvalRun, runs: Sequence[EvalRun]) -> list[EvalRun]:
    """Finished runs of the same kind over the same set, latest first (pure)."""
    if run.status != "done" or run.set_id is None or run.kind in ("generate", "calibrate"):
        return []
    same = (run.set_id, run.kind, "done")
    return [each for each in runs if (each.set_id, each.kind, each.status) == same and each.id != run.id]


def in_force(client: Client) -> None:
    """Which configuration the chat searches with, and the way back to the settings."""
    configurations = client.configurations()
    if configurations.in_force == "settings":
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"In force: **{escape_markdown(configurations.in_force)}**")
        if st.button("Back to the settings", icon=":material/undo:", key="leave-configuration"):
            with failures_shown():
                client.leave_configuration()
                st.rerun()


def show_comparison(found: Comparison) -> None:
    """What was asked, what differs in the configuration, then every measure."""
    alone = f" {counted(found.only_in_one, 'question')} could be compared in one run only."
    in_both = counted(found.questions, "question")
    st.markdown(f"{in_both} in both runs.{alone if found.only_in_one else ''}")
    if found.changed_config:
        changes = (f"{spelled(name)} {then} → {now}" for name, (then, now) in found.changed_config.items())
        st.caption(escape_markdown(f"Changed: {'; '.join(changes)}"))
    else:
        st.caption("Models, settings and configuration are the same.")
    rows = [_difference(name, each) for name, each in found.measures.items()]
    st.html(table(("measure", "before", "now", "difference (95%)", ""), rows, numbers=frozenset({1, 2})))


def adoption(client: Client, candidate: EvalRun, baseline: EvalRun) -> None:
    """Puts the candidate's configuration in force: only here, where its difference stands above."""
    configurations = client.configurations()
    wanted = adoptable(configurations, candidate)
    if wanted is None:
        return
    id_, name = wanted
    if st.button(f"Put “{escape_markdown(name)}” in force", type="primary", key="adopt"):
        with failures_shown():
            client.adopt_configuration(id_, baseline.id, candidate.id)
            st.toast("Chat, search and evals use it from now on.")
            st.rerun()


def adoptable(configurations: Configurations, run: EvalRun) -> tuple[int, str] | None:
    """Id and name of the saved configuration that the run measured, unless it is in force (pure)."""
    name = run.config.get("configuration")
    if run.kind not in ADOPTABLE or name == configurations.in_force:
        return None
    return next(((each.id, each.name) for each in configurations.items if each.name == name), None)


def _difference(name: str, each: Difference) -> tuple[str, ...]:
    """A line of the table; the last cell says what to make of it."""
    said = {True: "better", False: "worse", None: "different"}[each.better]
    verdict = said if each.significant else "may be chance"
    delta = each.delta
    bounds = "" if delta.low is None or delta.high is None else f" ({delta.low:+.3f} to {delta.high:+.3f})"
    difference = "unscorable" if delta.value is None else f"{delta.value:+.3f}{bounds}"
    return (
        spelled(name),
        f"{each.baseline:.3f}",
        f"{each.candidate:.3f}",
        difference,
        f"{verdict}, p {each.p:.2f}",
    )


def differences(cases: Sequence[CaseDifference]) -> None:
    """The questions that came out differently."""
    changed = [case for case in cases if case.change != "same"]
    asked = {case.question for case in changed}  # sweeps ask each in several variants
    st.markdown(f"**{counted(len(asked), 'question')} came out differently**")
    for case in changed[:DIFFERENT_SHOWN]:
        show_difference(case)
    if len(changed) > DIFFERENT_SHOWN:
        st.caption(f"The first {DIFFERENT_SHOWN} are shown.")


def show_difference(case: CaseDifference) -> None:
    """One question under both runs."""
    variant = f" ({spelled(case.variant)})" if case.variant else ""
    with st.expander(f"{case.change}: {escape_markdown(case.question)}{variant}"):
        for label, result in (("Before", case.baseline), ("Now", case.candidate)):
            st.markdown(f"**{label}:** {escape_markdown(result.said)}")
            st.caption(escape_markdown(result.figures))
