"""The search configuration as people set it: one object for the search lab and the chat."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from ui.client import Client
from ui.service_schemas import Configurations, SearchConfig


class Knob(NamedTuple):
    """One value of the configuration."""

    label: str
    most: int
    explanation: str
    least: int = 1


KNOBS = {
    "dense_k": Knob("Found by meaning", 1000, "Candidates from the vector index."),
    "bm25_k": Knob("Found by words", 1000, "Candidates from BM25."),
    "rrf_k": Knob(
        "Fusion constant", 1000, "k of reciprocal rank fusion: the larger, the less a first place counts."
    ),
    "rerank_k": Knob(
        "Read by the cross-encoder", 500, "Fused candidates that are read together with the question."
    ),
    "fused_weight": Knob(
        "Weight of the fused score",
        1000,
        "What it counts beside the cross-encoder in the final order; 0: the cross-encoder alone.",
        0,
    ),
    "top_k": Knob("Passages shown", 50, "Best passages after reranking."),
}


def configuration_choice(client: Client, key: str) -> None:
    """Which saved configuration the chat searches with; without saved ones there is nothing to choose."""
    configurations = client.configurations()
    if not configurations.items:
        return
    st.selectbox(
        "Search configuration",
        [each.name for each in configurations.items],
        index=None,
        placeholder=f"In force: {configurations.in_force}",
        key=key,
    )


def chosen_configuration(key: str) -> str | None:
    """What `configuration_choice` was set to when it was last drawn; None for the one in force."""
    chosen: str | None = st.session_state.get(key)
    return chosen


def knobs(configurations: Configurations) -> dict[str, float]:
    """Fields for every value, filled from a configuration; returns the values that differ from it.

    Untouched values are not sent: thresholds of collections apply only where none is given.
    """
    names = ["settings", *(each.name for each in configurations.items)]
    in_force = configurations.in_force
    name = st.selectbox(
        "Start from", names, index=names.index(in_force) if in_force in names else 0, key="lab-from"
    )
    start = configurations.named(name)
    chosen: dict[str, float] = {}
    with st.container(horizontal=True):
        for field, knob in KNOBS.items():
            value = getattr(start, field)
            chosen[field] = st.number_input(
                knob.label,
                knob.least,
                knob.most,
                value,
                help=knob.explanation,
                key=f"lab-{name}-{field}",
                width=170,
            )
        chosen["evidence_threshold"] = st.number_input(
            "Evidence threshold",
            0.0,
            1.0,
            start.evidence_threshold,
            step=0.01,
            help="Best relevance below this: the chat refuses.",
            key=f"lab-{name}-threshold",
            width=170,
        )
    return changed(chosen, start, configurations.named(in_force))


def changed(chosen: dict[str, float], start: SearchConfig, in_force: SearchConfig) -> dict[str, float]:
    """What must be sent so that the service searches with the chosen values (pure)."""
    base = in_force.model_dump()
    touched = {name for name, value in chosen.items() if value != getattr(start, name)}
    return {name: value for name, value in chosen.items() if name in touched or value != base[name]}
