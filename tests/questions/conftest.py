"""The service on the real weights, for tests that measure what it does with questions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.services import Services
from app.settings import Settings, load_settings
from app.wiring import build_services
from tests.conftest import client_of


def real_settings(folder: Path, **overrides: object) -> Settings:
    """Settings whose weights are those that FOOTNOTE_DATA_DIR holds already, if it does."""
    known = Path(os.environ.get("FOOTNOTE_DATA_DIR", ".footnote")) / "models"
    if known.is_dir():
        (folder / "models").symlink_to(known.resolve())
    return load_settings({}, data_dir=folder, **overrides)


@pytest.fixture(scope="session")
def real_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = real_settings(tmp_path_factory.mktemp("real"))
    with client_of(create_app(settings, build_services)) as client:
        yield client


@pytest.fixture(scope="session")
def real_services(real_client: TestClient) -> Services:
    services: Services = real_client.app.state.services  # type: ignore[attr-defined]
    return services
