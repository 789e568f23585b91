"""Inspector: how one answer came about, and whether it comes about again. The address names the message."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from ui.client import ApiError, Client
from ui.diagrams import STYLE, bars, prompt_bar, table, waterfall
from ui.inspecting import say_stopped, watched
from ui.links import link
from ui.service import get_client
from ui.text import counted, escape_markdown, place, shortened
from ui.traces import Candidate, Influence, ReplayResult, Run, Trace
from ui.views import failures_shown, passage, show_failure

MESSAGE = "message"  # query parameter
LATEST = 12
Work = Callable[[], None]
ICONS = {
    "answered": ":material/format_quote:",
    "refused": ":material/block:",
    "failed": ":material/error:",
    "cancelled": ":material/stop_circle:",
    "pending": ":material/hourglass_top:",
}
CACHES = {
    "passage_hits": "passages taken from the store",
    "passage_disk_hits": "passages taken from the disk",
    "passage_misses": "passages read anew",
    "drafted_tokens": "tokens drafted from the prompt",
    "accepted_tokens": "drafts that proved right",
}


def page() -> None:
    """The trace of the message that the address names, or the latest answers to choose from."""
    st.html(STYLE)
    st.title("Inspector")
    client = get_client()
    named = st.query_params.get(MESSAGE, "")
    if not named.isdecimal():
        choose(client)
        return
    try:
        trace = client.trace(int(named))
    except ApiError as error:
        show_failure(error.failure)
        choose(client)
        return
    show_trace(client, trace)


def choose(client: Client) -> None:
    """The latest answers."""
    st.caption("Choose an answer to see how it came about: time, prompt, candidates, models, replay.")
    answers = client.latest_answers(LATEST)
    if not answers:
        st.info("Nothing has been asked yet. Ask on the Ask page, then come back.")
    for answer in answers:
        label = f"{escape_markdown(shortened(answer.question, 80))}  · :gray[{answer.state}]"
        key = f"inspect-{answer.message_id}"
        if st.button(label, key=key, icon=ICONS.get(answer.state), width="stretch"):
            st.query_params[MESSAGE] = str(answer.message_id)
            st.rerun()


def leave() -> None:
    """Back to the list of answers."""
    st.query_params.pop(MESSAGE, None)


def show_trace(client: Client, trace: Trace) -> None:
    """Everything that was kept of one answer, what a person asks first at the top."""
    st.button("All answers", icon=":material/arrow_back:", type="tertiary", on_click=leave)
    summary(trace)
    replaying = replay_section(client, trace)
    time_section(trace)
    for number, run in enumerate(trace.runs, start=1):
        prompt_section(run, number, len(trace.runs))
    withheld_section(trace)
    weighing = influence_section(client, trace)
    candidate_section(trace.candidates)
    model_section(trace)
    for work in (replaying, weighing):  # last: what is drawn after it would be faded until it ends
        if work is not None:
            work()


def summary(trace: Trace) -> None:
    """Question, how it was understood, answer."""
    with st.container(border=True):
        st.markdown(f"**{escape_markdown(trace.question)}**")
        if trace.standalone_question and trace.standalone_question != trace.question:
            st.caption(f"Understood as: {escape_markdown(trace.standalone_question)}")
        st.markdown(escape_markdown(trace.answer or "No answer was written."))
        total = next((stage.ms for stage in trace.stages if stage.name == "total"), None)
        took = "" if total is None else f", {total / 1000:.2f} s in all"
        st.caption(f"Message {trace.message_id}: {trace.state}{took}")
        link("ask", "Open the conversation", ":material/forum:", conversation=str(trace.conversation_id))


def replay_section(client: Client, trace: Trace) -> Work | None:
    """Writes the answer again on a click: the work, to be done once the page stands."""
    st.subheader("Replay")
    if not trace.replayable:
        st.caption("The decoder wrote no token for this message, so there is nothing to write again.")
        return None
    st.caption("Decodes the stored prompt again with the stored options and compares every token.")
    pressed = st.button("Replay this answer", icon=":material/replay:", key="replay", type="primary")
    place = st.container()
    with place:
        say_stopped("replay")

    def work() -> None:
        with place, failures_shown():
            result = watched(client, trace.message_id, "replay", client.replay)
            if result is not None:
                show_replay(result)

    return work if pressed else None


def show_replay(result: ReplayResult) -> None:
    """Identical, or the first difference; and what has changed since in any case."""
    if result.identical:
        st.success(f"Identical: all {counted(result.tokens, 'token')}.", icon=":material/check_circle:")
    elif result.difference is not None:
        at = result.difference
        st.warning(f"Different from token {at.token + 1} on.", icon=":material/difference:")
        st.html(table(("", "text from there on"), (("then", at.then), ("now", at.now))))
    if result.changes:
        st.caption("Changed since the answer was written:")
        rows = [(each.what, each.then, each.now) for each in result.changes]
        st.html(table(("what", "then", "now"), rows))
    else:
        st.caption("Weights, arithmetic, template and passages are what they were.")


def time_section(trace: Trace) -> None:
    st.subheader("Where the time went")
    if any(stage.start_ms is not None for stage in trace.stages):
        st.html(waterfall(trace.stages))
    else:
        st.caption("No times were kept.")
    used = [f"{trace.caches[name]} {words}" for name, words in CACHES.items() if trace.caches.get(name)]
    if used:
        st.caption("Caches meanwhile, other answers of that time included: " + ", ".join(used) + ".")


def prompt_section(run: Run, number: int, of: int) -> None:
    """What one run of the decoder read, by parts, and what it wrote."""
    st.subheader("What the decoder read" if of == 1 else f"What the decoder read, run {number} of {of}")
    total = sum(part.tokens for part in run.parts)
    greedy = "greedy" if run.temperature == 0 else f"temperature {run.temperature}, seed {run.seed}"
    st.caption(f"{counted(total, 'token')} in, {counted(run.tokens, 'token')} out; {run.mask} mask, {greedy}")
    st.html(prompt_bar(run.parts))
    passages = 0
    for part in run.parts:
        passages += part.kind == "passage"
        name = f"Passage {passages}" if part.kind == "passage" else part.kind.capitalize()
        with st.expander(f"{name}: {counted(part.tokens, 'token')}"):
            passage(part.text.strip("\n"))
    st.markdown(f"Written: {escape_markdown(run.text.strip()) or '(nothing)'}")


def withheld_section(trace: Trace) -> None:
    if trace.withheld:
        st.subheader("Withheld from the decoder")
        st.caption("These sentences of the passages address a language model, so it was not shown them.")
        for sentence in trace.withheld:
            passage(sentence)


def influence_section(client: Client, trace: Trace) -> Work | None:
    """What each passage adds to the probability of the written words, on a click."""
    if not trace.replayable:
        return None
    st.subheader("What the words leaned on")
    st.caption(
        "A hint and not a proof: how much less probable the written words are when one passage is left out "
        "(natural logarithm, mean a token). Two passages that say the same each seem to matter little."
    )
    pressed = st.button("Weigh the passages", icon=":material/balance:", key="weigh")
    place = st.container()
    with place:
        say_stopped("weigh")

    def work() -> None:
        with place, failures_shown():
            found = watched(client, trace.message_id, "weigh", client.influence)
            if found is not None:
                st.html(bars(influence_rows(found.influences, trace)))

    return work if pressed else None


def influence_rows(found: Sequence[Influence], trace: Trace) -> list[tuple[str, float]]:
    """A name and a figure for each passage of each run."""
    names = {each.chunk_id: each.file_name for each in trace.candidates}
    rows = []
    for each in found:
        run = f"{each.generation + 1}." if len(trace.runs) > 1 else ""
        rows.append((f"{run}{each.number} {names.get(each.chunk_id) or 'passage'}", each.lost))
    return rows


def candidate_section(candidates: Sequence[Candidate]) -> None:
    """What search returned, with the score of every stage."""
    st.subheader("What search found")
    if not candidates:
        st.caption("Nothing.")
        return
    head = ("", "passage", "meaning", "words", "fused", "relevance", "")
    rows = [candidate_row(each) for each in candidates]
    st.html(table(head, rows, numbers=frozenset({0, 2, 3, 4, 5})))
    for each in candidates:
        with st.expander(f"{each.rank}. {escape_markdown(shortened(each.text, 70)) or 'Deleted since'}"):
            passage(each.text)


def candidate_row(each: Candidate) -> tuple[str, ...]:
    """One line of the table; a dash where a stage did not see the passage."""
    scores = each.scores
    figures = (
        *("–" if value is None else f"{value:.2f}" for value in (scores.dense, scores.bm25)),
        "–" if scores.fused is None else f"{scores.fused:.4f}",
        "–" if scores.rerank is None else f"{scores.rerank:.2f}",
    )
    marks = (("cited", each.cited), ("in the prompt", each.in_prompt), ("from the last answer", each.carried))
    where = "deleted since" if each.file_name is None else place(each.file_name, each.page)
    return (str(each.rank), where, *figures, ", ".join(words for words, holds in marks if holds))


def model_section(trace: Trace) -> None:
    """Networks with the first digits of their checksums, and how tokens are computed."""
    st.subheader("Models and settings")
    rows = [*trace.models.items(), *trace.arithmetic.items()]
    rows += [("template", trace.template)] if trace.template else []
    st.html(table(("what", "which"), [(name, str(value)) for name, value in rows]))
    with st.expander("Search configuration"):
        st.html(table(("name", "value"), [(name, f"{value:g}") for name, value in trace.config.items()]))
