"""Writes requirements.lock and requirements-dev.lock from a fresh environment (`make lock`)."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUN_HEADER = """\
# Exact versions for Python 3.11 on Linux; made with `make lock`.
# torch comes first: a looser range pulls CUDA builds.
"""
DEV_HEADER = """\
# What tests need on top of requirements.lock; made with `make lock`.
-r requirements.lock
"""


def freeze(python: Path, requirements: list[str]) -> list[str]:
    """Installs the requirements and returns every installed version."""
    pip = [str(python), "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", *requirements], check=True)
    frozen = subprocess.run([*pip, "freeze"], check=True, capture_output=True, text=True).stdout.splitlines()
    return [line.split("+", 1)[0] if line.startswith("torch==") else line for line in frozen]


def main() -> int:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    torch = next(name for name in project["dependencies"] if name.startswith("torch=="))
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder) / "bin" / "python"
        freeze(python, [torch])
        run = freeze(python, project["dependencies"])
        dev = freeze(python, project["optional-dependencies"]["dev"])
    ordered = sorted(run, key=lambda line: not line.startswith("torch=="))
    (ROOT / "requirements.lock").write_text(RUN_HEADER + "\n".join(ordered) + "\n")
    (ROOT / "requirements-dev.lock").write_text(DEV_HEADER + "\n".join(x for x in dev if x not in run) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
