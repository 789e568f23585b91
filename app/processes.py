"""The processes of `footnote up`: API, ingest worker and browser interface."""

from __future__ import annotations

import sys
from pathlib import Path

from app.jobs.priority import threads_each
from app.settings import Settings
from app.supervisor import Child
from retrieval.cores import usable_cores

FOOTNOTE = (sys.executable, "-m", "app.cli")
UI_MAIN = Path(__file__).resolve().parent.parent / "ui" / "main.py"


def children(settings: Settings) -> list[Child]:
    """What the supervisor keeps running, in start order."""
    api = settings.resolved_api_url
    browser = f"http://{settings.host}:{settings.ui_port}"
    return [
        Child("api", [*FOOTNOTE, "serve"], health_url=f"{api}/readyz", address=f"{api}/docs"),
        *worker_children(settings, settings.workers),
        Child(
            "ui",
            ui_command(settings),
            env={"FOOTNOTE_API_URL": api},
            health_url=f"{browser}/_stcore/health",
            address=browser,
        ),
    ]


def worker_children(settings: Settings, count: int, *, until_idle: bool = False) -> list[Child]:
    """`count` ingest workers that share the cores; one alone has them all."""
    flags = ["--count", "1", *(["--until-idle"] if until_idle else [])]
    threads = settings.torch_threads or threads_each(usable_cores(), count)
    env = {} if count == 1 else {"FOOTNOTE_TORCH_THREADS": str(threads)}
    names = ["worker"] if count == 1 else [f"worker-{number}" for number in range(1, count + 1)]
    return [Child(name, [*FOOTNOTE, "worker", *flags], env=env, may_end=until_idle) for name in names]


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
