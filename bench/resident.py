"""`python -m bench.resident`: starts the API's services in this process and says what memory they hold."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from pathlib import Path

from app.asgi import app

REST_S = 2.0  # for the threads of the start to end


def memory_bytes(status: str) -> dict[str, int]:
    """Resident and highest resident size from the text of /proc/PID/status."""
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return {
        name: int(fields[key].split()[0]) * 1024
        for name, key in (("resident_bytes", "VmRSS"), ("peak_bytes", "VmHWM"))
    }


async def at_rest() -> dict[str, int]:
    """Starts everything that a server starts, waits, reads, stops."""
    async with app.router.lifespan_context(app):
        gc.collect()
        await asyncio.sleep(REST_S)
        return memory_bytes(Path("/proc/self/status").read_text())


def main() -> None:
    sys.stdout.write(json.dumps(asyncio.run(at_rest())) + "\n")


if __name__ == "__main__":
    main()
