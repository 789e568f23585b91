"""The fake API, served to the interface under test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ui.fake_api import FakeState, create_fake
from tests.ui.serving import serve
from ui.client import Client


@pytest.fixture
def state() -> FakeState:
    return FakeState()


@pytest.fixture
def api_url(state: FakeState) -> Iterator[str]:
    with serve(create_fake(state)) as url:
        yield url


@pytest.fixture
def client(api_url: str) -> Iterator[Client]:
    client = Client(api_url)
    yield client
    client.close()
