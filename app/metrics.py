"""Prometheus metrics: requests as they happen, jobs, documents and index at the moment of the scrape.

Each application has its own registry, so that several in one process do not share counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.documents import repository as documents
from app.jobs import repository as jobs
from app.services import GenerationState, Services

LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Metrics:
    """The metrics of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "footnote_http_requests",
            "Requests by route and status.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self.latency_s = Histogram(
            "footnote_http_request_seconds",
            "Time from request to the end of its response.",
            ["method", "route"],
            buckets=LATENCY_BUCKETS_S,
            registry=self.registry,
        )

    def watch(self, services: Callable[[], Services]) -> None:
        """Adds the state of the service to every scrape."""
        self.registry.register(_ServiceState(services))

    def render(self) -> bytes:
        """The text exposition format."""
        return generate_latest(self.registry)


class _ServiceState(Collector):
    """Counts read from SQL and from the index when asked."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    def describe(self) -> Iterable[Metric]:
        return []  # registering must not read the database

    def collect(self) -> Iterable[Metric]:
        with self._services().sessions() as session:
            yield _by_status("footnote_jobs", "Jobs by status.", jobs.count_by_status(session))
            yield _by_status(
                "footnote_documents", "Live documents by status.", documents.count_by_status(session)
            )
        yield self._index_chunks()
        yield GaugeMetricFamily(
            "footnote_index_last_change_id",
            "Newest change the index has applied.",
            value=self._services().index.last_change_id,
        )
        generation_state = self._services().models.generation_state
        if generation_state is not None:
            yield from _generation(generation_state())

    def _index_chunks(self) -> Metric:
        family = GaugeMetricFamily("footnote_index_chunks", "Chunks in each index.", labels=["index"])
        for name, chunk_ids in self._services().index.chunk_ids().items():
            family.add_metric([name], len(chunk_ids))
        return family


def _generation(state: GenerationState) -> Iterable[Metric]:
    """How busy the generator is, and how well its drafts and its stored passages do."""
    yield _labelled(
        GaugeMetricFamily("footnote_generator_answers", "Answers in the generator.", labels=["state"]),
        {"waiting": state.waiting, "running": state.running},
    )
    yield _labelled(
        CounterMetricFamily("footnote_generator_draft_tokens", "Drafts by outcome.", labels=["outcome"]),
        {"accepted": state.accepted_tokens, "rejected": state.drafted_tokens - state.accepted_tokens},
    )
    used_tokens = state.cache_tokens - state.cache_free_tokens
    yield _labelled(
        GaugeMetricFamily(
            "footnote_generator_cache_tokens", "Room of the key/value cache.", labels=["state"]
        ),
        {"used": used_tokens, "free": state.cache_free_tokens},
    )
    yield _labelled(
        CounterMetricFamily("footnote_prompt_tokens", "Tokens of prompts.", labels=["found"]),
        {"shared": state.prefix_hit_tokens, "new": state.prefix_missed_tokens},
    )
    yield CounterMetricFamily(
        "footnote_prefix_evictions", "Shared blocks of prompts forgotten.", value=state.prefix_evictions
    )
    yield _labelled(
        CounterMetricFamily("footnote_passage_reads", "Passages by where they were found.", labels=["found"]),
        {"stored": state.passage_hits, "disk": state.passage_disk_hits, "new": state.passage_misses},
    )
    yield CounterMetricFamily(
        "footnote_passage_evictions", "Stored passages forgotten.", value=state.passage_evictions
    )
    yield GaugeMetricFamily("footnote_passage_bytes", "Memory of stored passages.", value=state.passage_bytes)
    yield CounterMetricFamily(
        "footnote_passage_disk_evictions",
        "Passages on disk that made room.",
        value=state.passage_disk_evictions,
    )
    yield _labelled(
        CounterMetricFamily("footnote_passage_disk_failures", "Passages on disk lost.", labels=["what"]),
        {"damaged": state.passage_disk_damaged, "unwritten": state.passage_disk_unwritten},
    )
    yield GaugeMetricFamily(
        "footnote_passage_disk_bytes", "Disk of stored passages.", value=state.passage_disk_bytes
    )


def _labelled(family: CounterMetricFamily | GaugeMetricFamily, counts: Mapping[str, int]) -> Metric:
    for label, count in counts.items():
        family.add_metric([label], count)
    return family


def _by_status(name: str, help_text: str, counts: dict[str, int]) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=["status"])
    for status, count in sorted(counts.items()):
        family.add_metric([status], count)
    return family
