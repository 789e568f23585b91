"""Events arrive in batches; how they end takes nothing of what came before."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ui.client import ApiError, Failure
from ui.listening import batches

BROKEN = ApiError(Failure(code="api_unreachable", cause="It broke off.", next_step="Look again."))


def broken_off(error: Exception) -> Iterator[str]:
    yield "question"
    yield "sources"
    raise error


@pytest.mark.parametrize("error", [BROKEN, ValueError("an event of another release")])
def test_every_event_before_an_error_is_given_before_it_is_raised(error: Exception) -> None:
    heard: list[str] = []

    def listen() -> None:
        for batch in batches(broken_off(error)):
            heard.extend(batch)

    with pytest.raises(type(error)) as caught:
        listen()
    assert heard == ["question", "sources"]
    assert caught.value is error


def test_events_that_nobody_takes_are_heard_out() -> None:
    ended = threading.Event()

    def events() -> Iterator[str]:
        yield "question"
        ended.set()

    batches(events())
    assert ended.wait(5)


def test_events_end_with_the_last_of_them() -> None:
    assert [event for batch in batches(iter("abc")) for event in batch] == ["a", "b", "c"]
