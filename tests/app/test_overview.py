"""What the service says about itself."""

from __future__ import annotations

from fastapi.testclient import TestClient

from app.overview.service import settings_in_force, speed
from app.settings import Settings, load_settings


def test_the_overview_names_every_setting_with_its_variable(client: TestClient) -> None:
    overview = client.get("/v1/overview").json()

    assert {row["name"] for row in overview["settings"]} == set(Settings.model_fields)
    row = next(row for row in overview["settings"] if row["name"] == "evidence_threshold")
    assert (row["variable"], row["value"], row["default"]) == ("FOOTNOTE_EVIDENCE_THRESHOLD", 0.3, 0.05)
    assert overview["speed"] == []


def test_the_password_of_the_database_is_masked() -> None:
    settings = load_settings({}, database_url="postgresql://user:secret@host/name")
    assert "secret" not in str(settings_in_force(settings))


def test_speed_is_the_median_and_95th_percentile_of_each_step() -> None:
    (row,) = speed([{"total": 100.0 * n, "other": 1.0} for n in range(1, 101)])
    assert (row.stage, row.answers) == ("total", 100)
    assert (row.median_ms, round(row.p95_ms)) == (5050.0, 9505)
