"""The application for an ASGI server: `uvicorn app.asgi:app`. The only module that runs at import."""

from __future__ import annotations

from app.main import create_app
from app.settings import load_settings
from app.wiring import build_services

app = create_app(load_settings(), build_services)
