"""The processes of `footnote up`: API, ingest worker and browser interface."""

from __future__ import annotations

import sys
from pathlib import Path

from app.settings import Settings
from app.supervisor import Child

UI_MAIN = Path(__file__).resolve().parent.parent / "ui" / "main.py"


def children(settings: Settings) -> list[Child]:
    """What the supervisor keeps running, in start order."""
    api = settings.resolved_api_url
    browser = f"http://{settings.host}:{settings.ui_port}"
    footnote = [sys.executable, "-m", "app.cli"]
    return [
        Child("api", [*footnote, "serve"], health_url=f"{api}/readyz", address=f"{api}/docs"),
        Child("worker", [*footnote, "worker"]),
        Child(
            "ui",
            ui_command(settings),
            env={"FOOTNOTE_API_URL": api},
            health_url=f"{browser}/_stcore/health",
            address=browser,
        ),
    ]


def ui_command(settings: Settings) -> list[str]:
    """Streamlit over `ui/main.py` on the configured address."""
    options = {
        "server.address": settings.host,
        "server.port": settings.ui_port,
        "server.headless": "true",
        "server.maxUploadSize": max(1, settings.max_upload_bytes // 1024**2),
        "browser.gatherUsageStats": "false",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "streamlit", "run", str(UI_MAIN), *flags]
