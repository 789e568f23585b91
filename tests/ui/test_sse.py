"""Server-sent events."""

from __future__ import annotations

from ui.sse import ServerEvent, parse_events


def test_events_with_names_comments_and_several_data_lines():
    lines = [": keep-alive", "", "event: token", 'data: {"a":', "data:  1}", "", "data: plain", "id: 7", ""]

    assert list(parse_events(lines)) == [
        ServerEvent("token", '{"a":\n 1}'),
        ServerEvent("message", "plain"),
    ]


def test_an_event_that_was_cut_off_is_dropped():
    assert list(parse_events(["event: done", "data: {}"])) == []


def test_a_name_does_not_carry_over_to_the_next_event():
    assert [each.name for each in parse_events(["event: a", "data: 1", "", "data: 2", ""])] == [
        "a",
        "message",
    ]
