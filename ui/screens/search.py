"""Search lab: the passages behind the answers, every score that led to their rank, and knobs to try."""

from __future__ import annotations

import streamlit as st

from ui.client import Client
from ui.configuration import knobs
from ui.passage import open_hit
from ui.ranking import why
from ui.schemas import Evidence, Hit, SearchResult
from ui.service import get_client
from ui.text import counted, escape_markdown, place
from ui.views import collection_filter, failures_shown, passage

SCORE_NAMES = {
    "rerank": ("Relevance", "Probability of relevance by the cross-encoder, 0 to 1. Decides the order."),
    "dense": ("Meaning", "Cosine between question and passage."),
    "bm25": ("Words", "BM25: how well the words match."),
    "fused": ("Fused", "Reciprocal rank fusion of the two searches."),
}
FOUND = (
    "lab-found"  # session key: the configuration and the result on the page, kept while passages are opened
)


def page() -> None:
    """A question, the configuration, and the hits."""
    st.title("Search lab")
    client = get_client()
    with st.form("search", border=False):
        question = st.text_input("Question or words", placeholder="How long is the guarantee?")
        collection_ids = collection_filter(client, key="search-in")
        with st.expander("Configuration", icon=":material/tune:"):
            config = knobs(client.configurations())
        pressed = st.form_submit_button("Search", type="primary", icon=":material/search:")
    if pressed:
        st.session_state.pop(FOUND, None)
        if question.strip():
            with failures_shown(), st.spinner("Searching"):
                st.session_state[FOUND] = (config, client.search(question, collection_ids, config))
        else:
            st.info("Type a question or a few words first.")
    if FOUND in st.session_state:
        searched_with, result = st.session_state[FOUND]
        show_result(client, result)
        save_configuration(client, searched_with)
    elif not pressed:
        st.caption(
            "Search runs exactly what an answer runs before it is written, with the same configuration."
        )


def save_configuration(client: Client, config: dict[str, float]) -> None:
    """Keeps the changed values under a name, for the chat and the evals."""
    if not config:
        return
    with st.popover("Save this configuration", icon=":material/save:"), st.form("save", border=False):
        st.caption("The chat can then search with it; the Evals page compares it and puts it in force.")
        name = st.text_input("Name", max_chars=200, key="lab-name").strip()
        if st.form_submit_button("Save", type="primary") and name:
            with failures_shown():
                client.save_configuration(name, config)
                st.success("Saved.")


def show_result(client: Client, result: SearchResult) -> None:
    """Whether the evidence suffices for an answer, then every hit."""
    show_evidence(result.evidence, len(result.hits))
    for hit in result.hits:
        show_hit(client, hit)
    total_ms = sum(result.timings_ms.values())
    steps = ", ".join(f"{name} {ms:.0f} ms" for name, ms in result.timings_ms.items())
    if steps:
        st.caption(escape_markdown(f"{total_ms:.0f} ms in all: {steps}"))


def show_evidence(evidence: Evidence, hits: int) -> None:
    """What the evidence gate would decide."""
    if not hits or evidence.best is None:
        st.info("Nothing was found. Try other words, or upload documents on the Documents page.")
        return
    scores = f"best {evidence.best:.2f}, needed {evidence.threshold:.2f}"
    if evidence.enough:
        st.success(f"{counted(hits, 'passage')}, enough evidence for an answer: {scores}.")
    else:
        st.warning(f"{counted(hits, 'passage')}, not enough evidence for an answer: {scores}.")


def show_hit(client: Client, hit: Hit) -> None:
    """One passage with its scores, why it stands here, and a way to its page."""
    with st.container(border=True):
        st.markdown(f"**{hit.number}.** {escape_markdown(place(hit.file_name, hit.page))}")
        if hit.headings:
            st.caption(escape_markdown(" › ".join(hit.headings)))
        passage(hit.text)
        with st.container(horizontal=True):
            for name, (label, explanation) in SCORE_NAMES.items():
                score = getattr(hit.scores, name)
                digits = 4 if name == "fused" else 2
                value = "not found" if score is None else f"{score:.{digits}f}"
                st.badge(f"{label} {value}", color="gray" if score is None else "blue", help=explanation)
        st.markdown(escape_markdown(why(hit)))
        if st.button("Open", key=f"open-{hit.chunk_id}", icon=":material/menu_book:", type="tertiary"):
            open_hit(client, hit)
