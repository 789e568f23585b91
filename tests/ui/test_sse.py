"""Server-sent events."""

from __future__ import annotations

import itertools

import pytest

from ui.sse import ServerEvent, parse_events, split_lines


def test_events_with_names_comments_and_several_data_lines():
    lines = [": keep-alive", "", "event: token", 'data: {"a":', "data:  1}", "", "data: plain", "id: 7", ""]

    assert list(parse_events(lines)) == [
        ServerEvent("token", '{"a":\n 1}'),
        ServerEvent("message", "plain"),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_only_the_specified_characters_end_a_line_wherever_the_text_is_cut(end: str):
    data = "one\u2028two\u2029three\x85four\x0bfive"
    text = f"event: token{end}data: {data}{end}{end}data: last{end}{end}"
    for first, second in itertools.combinations_with_replacement(range(len(text) + 1), 2):
        parts = (text[:first], text[first:second], text[second:])
        assert list(parse_events(split_lines(parts))) == [
            ServerEvent("token", data),
            ServerEvent("message", "last"),
        ]


def test_an_event_that_was_cut_off_is_dropped():
    assert list(parse_events(["event: done", "data: {}"])) == []
    assert list(parse_events(split_lines(["event: done\ndata: {}\n"]))) == []
    assert list(parse_events(split_lines(["data: {}\n\ndata: 1"]))) == [ServerEvent("message", "{}")]


def test_a_name_does_not_carry_over_to_the_next_event():
    assert [each.name for each in parse_events(["event: a", "data: 1", "", "data: 2", ""])] == [
        "a",
        "message",
    ]
