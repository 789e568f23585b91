"""Rows, ratios, the JSON of a benchmark, and peers that are not installed."""

from __future__ import annotations

import json

import pytest

from bench.measure import Figures, Sample
from bench.peers import Missing, Peer, PeerMissing, library, load_peers
from bench.report import Report, Row, row_of

RESULTS: dict[str, list[Figures]] = {
    "ours": [(3000.0,), (3000.0,), (3300.0,)],
    "peer": [(1000.0,), (1000.0,), (1000.0,)],
}


def test_a_ratio_is_ours_over_theirs() -> None:
    row = row_of("reading", "tokens/s", RESULTS)
    assert row.ratio == {"peer": 3.0}
    assert row.ours == Sample(3000.0, 5.0, 3)


def test_a_peer_that_measured_nothing_has_no_ratio() -> None:
    row = Row("x", "ms", Sample(1.0, 0.0, 1), {"peer": Sample(0.0, 0.0, 1)})
    assert row.ratio == {}
    assert "ours is" not in "".join(row.lines())


def test_lines_show_median_spread_ratio_and_limit() -> None:
    ours, peer = row_of("reading", "tokens/s", RESULTS, of_limit=0.314, limit="the limit").lines()
    assert ours.split() == ["reading", "3,000", "tokens/s", "IQR", "5%", "31.4%", "of", "the", "limit"]
    assert peer.split() == ["peer", "1,000", "tokens/s", "IQR", "0%", "ours", "is", "3.00x"]


def test_the_json_has_the_promised_shape() -> None:
    missing = [Missing("absent", "pip install absent")]
    machine = {"processor": "abacus", "limits": {"read_gb_s": 1.0}}
    report = Report("prefill", [row_of("reading", "tokens/s", RESULTS)], missing, machine)
    shown = json.loads(json.dumps(report.json()))
    assert shown == {
        "name": "prefill",
        "rows": [
            {
                "what": "reading",
                "ours": 3000,
                "unit": "tokens/s",
                "peers": {"peer": 1000},
                "ratio": {"peer": 3.0},
                "of_limit": None,
                "limit": None,
                "spread_percent": {"ours": 5.0, "peer": 0.0},
            }
        ],
        "machine": machine,
        "missing": [{"name": "absent", "install": "pip install absent"}],
    }


def peers() -> list[Peer[int]]:
    def never() -> int:
        raise AssertionError("what is not installed is not loaded")

    return [
        Peer("here", ("json",), "pip install here", lambda: 7),
        Peer("absent", ("json", "no_such_module_of_ours"), "pip install absent", never),
    ]


def test_a_missing_peer_is_named_with_its_command() -> None:
    present, missing = load_peers(peers())
    assert present == {"here": 7}
    assert missing == [Missing("absent", "pip install absent")]


def test_a_required_peer_that_is_missing_is_an_error_before_anything_is_loaded() -> None:
    with pytest.raises(PeerMissing, match="absent") as raised:
        load_peers(peers(), required=True)
    assert raised.value.next_step == "Run: pip install absent"


def test_a_library_is_imported_when_asked_for() -> None:
    assert library("json").loads("1") == 1
    with pytest.raises(PeerMissing, match="no_such_module_of_ours"):
        library("no_such_module_of_ours.inner")
