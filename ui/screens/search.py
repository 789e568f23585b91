"""Search: the passages behind the answers, with every score that led to their rank."""

from __future__ import annotations

import streamlit as st

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


def page() -> None:
    """A question, and its hits."""
    st.title("Search")
    client = get_client()
    with st.form("search", border=False):
        question = st.text_input("Question or words", placeholder="How long is the guarantee?")
        collection_ids = collection_filter(client, key="search-in")
        asked = st.form_submit_button("Search", type="primary", icon=":material/search:")
    if asked and question.strip():
        with failures_shown():
            show_result(client.search(question, collection_ids))
    elif asked:
        st.info("Type a question or a few words first.")
    else:
        st.caption("Search runs exactly what an answer runs before it is written.")


def show_result(result: SearchResult) -> None:
    """Whether the evidence suffices for an answer, then every hit."""
    show_evidence(result.evidence, len(result.hits))
    for hit in result.hits:
        show_hit(hit)
    total_ms = sum(result.timings_ms.values())
    steps = ", ".join(f"{name} {ms:.0f} ms" for name, ms in result.timings_ms.items())
    if steps:
        st.caption(escape_markdown(f"{total_ms:.0f} ms in all: {steps}"))


def show_evidence(evidence: Evidence, hits: int) -> None:
    """What the evidence gate would decide."""
    if not hits or evidence.best is None:
        st.info("Nothing was found.")
        return
    scores = f"best {evidence.best:.2f}, needed {evidence.threshold:.2f}"
    if evidence.enough:
        st.success(f"{counted(hits, 'passage')}, enough evidence for an answer: {scores}.")
    else:
        st.warning(f"{counted(hits, 'passage')}, not enough evidence for an answer: {scores}.")


def show_hit(hit: Hit) -> None:
    """One passage with its scores."""
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
