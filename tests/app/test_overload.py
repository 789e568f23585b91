"""What a busy service says: 429 with a time to wait, and counts in the metrics."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import pytest

from app.device_worker import DeviceWorker, Stream
from app.main import create_app
from app.metrics import Metrics
from app.services import GenerateOptions, GenerationState, Services, assemble_services
from app.settings import Settings
from tests.conftest import client_of
from tests.fakes import EchoGenerator, fake_models

STATE = GenerationState(
    waiting=2,
    running=3,
    drafted_tokens=50,
    accepted_tokens=40,
    cache_tokens=640,
    cache_free_tokens=128,
    prefix_hit_tokens=300,
    prefix_missed_tokens=200,
    prefix_evictions=4,
    passage_hits=7,
    passage_misses=5,
    passage_evictions=1,
    passage_bytes=4096,
    passage_disk_hits=6,
    passage_disk_evictions=8,
    passage_disk_damaged=9,
    passage_disk_unwritten=10,
    passage_disk_bytes=8192,
)


class QueuedGenerator(EchoGenerator):
    """Goes through a device worker that never gets to it."""

    def __init__(self, worker: DeviceWorker) -> None:
        super().__init__()
        self.worker = worker

    def generate(
        self, segments: tuple[str, ...], options: GenerateOptions, cancelled: Callable[[], bool]
    ) -> Iterator[str]:
        return self.worker.stream(lambda stream: None, cancelled)


@pytest.fixture
def worker() -> Iterator[DeviceWorker]:
    worker = DeviceWorker(max_pending=1)
    yield worker
    worker.close()


def test_a_question_beyond_the_bound_is_refused_with_a_time_to_wait(
    settings: Settings, worker: DeviceWorker
) -> None:
    settings = settings.model_copy(update={"evidence_threshold": 0.0})
    taken: Iterator[Stream[str]] = worker.stream(lambda stream: None)
    models = fake_models(QueuedGenerator(worker))
    with client_of(create_app(settings, lambda s: assemble_services(s, models))) as client:
        first = client.post("/v1/ask", json={"question": "Who leads?"}).json()
        body = {"question": "And when?", "conversation_id": first["conversation_id"]}
        refused = client.post("/v1/ask", json=body)  # a follow-up: rewriting it needs the generator
    assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
    assert int(refused.headers["retry-after"]) > 0
    del taken


@pytest.mark.parametrize("stream", [False, True])
def test_a_question_that_must_wait_too_long_is_not_saved(settings: Settings, stream: bool) -> None:
    """A stream says so by its status too: it has not begun."""
    settings = settings.model_copy(update={"device_queue": 2})
    with client_of(create_app(settings, lambda s: assemble_services(s, fake_models()))) as client:
        services: Services = client.app.state.services  # type: ignore[attr-defined]
        services.running.start(901)
        services.running.start(902)
        refused = client.post("/v1/ask", json={"question": "Who leads?", "stream": stream})
        services.running.finish(901)
        assert client.get("/v1/conversations").json()["items"] == []
        assert client.post("/v1/ask", json={"question": "Who leads?"}).status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
    assert int(refused.headers["retry-after"]) > 0


def test_the_generator_is_in_the_metrics(settings: Settings) -> None:
    models = dataclasses.replace(fake_models(), generation_state=lambda: STATE)
    services = assemble_services(settings, models)
    metrics = Metrics()
    metrics.watch(lambda: services)
    lines = metrics.render().decode().splitlines()
    assert {
        'footnote_generator_answers{state="waiting"} 2.0',
        'footnote_generator_answers{state="running"} 3.0',
        'footnote_generator_draft_tokens_total{outcome="accepted"} 40.0',
        'footnote_generator_draft_tokens_total{outcome="rejected"} 10.0',
        'footnote_generator_cache_tokens{state="used"} 512.0',
        'footnote_generator_cache_tokens{state="free"} 128.0',
        'footnote_prompt_tokens_total{found="shared"} 300.0',
        'footnote_prompt_tokens_total{found="new"} 200.0',
        "footnote_prefix_evictions_total 4.0",
        'footnote_passage_reads_total{found="stored"} 7.0',
        'footnote_passage_reads_total{found="disk"} 6.0',
        'footnote_passage_reads_total{found="new"} 5.0',
        "footnote_passage_evictions_total 1.0",
        "footnote_passage_bytes 4096.0",
        "footnote_passage_disk_evictions_total 8.0",
        'footnote_passage_disk_failures_total{what="damaged"} 9.0',
        'footnote_passage_disk_failures_total{what="unwritten"} 10.0',
        "footnote_passage_disk_bytes 8192.0",
    } <= set(lines)
    services.close()


def test_a_generator_without_counts_has_no_such_metrics(services: Services) -> None:
    metrics = Metrics()
    metrics.watch(lambda: services)
    assert "footnote_generator" not in metrics.render().decode()
