"""Settings: unknown keys and values out of bounds stop the start with a message that names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.settings import load_settings


def test_unknown_variables_are_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match="FOOTNOTE_CHUNK_TOKEN") as caught:
        load_settings({"FOOTNOTE_CHUNK_TOKEN": "100", "OTHER": "1"})
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FOOTNOTE_CHUNK_TOKENS", "9000"),
        ("FOOTNOTE_API_PORT", "http"),
        ("FOOTNOTE_EVIDENCE_THRESHOLD", "1.5"),
        ("FOOTNOTE_DECODER_DTYPE", "int3"),
    ],
)
def test_values_out_of_bounds_are_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        load_settings({name: value})


def test_values_are_read_and_the_database_follows_the_data_folder(tmp_path: Path) -> None:
    settings = load_settings({"FOOTNOTE_DATA_DIR": str(tmp_path), "FOOTNOTE_SEARCH_TOP_K": "3"})
    assert settings.search_top_k == 3
    assert settings.resolved_database_url == f"sqlite:///{tmp_path}/footnote.db"
    assert settings.resolved_api_url == "http://127.0.0.1:8000"


def test_an_empty_variable_means_the_default() -> None:
    assert load_settings({"FOOTNOTE_SEARCH_TOP_K": ""}).search_top_k == 5
