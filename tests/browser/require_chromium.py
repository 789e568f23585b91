"""`make test` needs a Chromium: installs Debian's where that is possible, or says exactly what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "Chromium is missing. On Debian and Ubuntu: sudo apt-get install chromium"


def is_there() -> bool:
    return any(shutil.which(name) for name in NAMES)


def install() -> bool:
    """Installs the Debian package; False where there is no apt-get or no right to use it."""
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        return False
    quiet = {"env": {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}}
    for command in (["apt-get", "update", "-q"], ["apt-get", "install", "-y", "-q", "chromium"]):
        if subprocess.run(command, stdout=sys.stderr, check=False, **quiet).returncode != 0:
            return False
    return is_there()


def main() -> int:
    if is_there() or install():
        return 0
    print(MISSING, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
