"""Fixtures shared by every test: settings in a temporary folder, the service on fakes, shared data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.main import create_app
from app.services import Services, assemble_services
from app.settings import Settings, load_settings
from tests.fakes import EchoGenerator, fake_models

ROOT = Path(__file__).resolve().parent.parent


def client_of(app: FastAPI, **options: Any) -> TestClient:
    """Calls the service by a name that it answers to; the library's own, `testserver`, is none."""
    return TestClient(app, base_url="http://localhost", **options)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings({}, data_dir=tmp_path / "data", poll_interval_s=0.02, evidence_threshold=0.3)


@pytest.fixture
def generator() -> EchoGenerator:
    return EchoGenerator()


@pytest.fixture
def build(generator: EchoGenerator) -> Callable[[Settings], Services]:
    return lambda settings: assemble_services(settings, fake_models(generator))


@pytest.fixture
def services(settings: Settings, build: Callable[[Settings], Services]) -> Iterator[Services]:
    built = build(settings)
    yield built
    built.close()


@pytest.fixture
def client(settings: Settings, build: Callable[[Settings], Services]) -> Iterator[TestClient]:
    with client_of(create_app(settings, build)) as test_client:
        yield test_client


@pytest.fixture(scope="session")
def shared_data() -> Path:
    folder = Path(os.environ.get("FOOTNOTE_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"shared data is absent: {folder} (set FOOTNOTE_SHARED_DATA)")
    return folder
