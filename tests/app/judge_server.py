"""A loopback server that speaks the chat completions protocol, and misbehaves on demand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = tuple[int, str | None]
"""Status, and the content of the completion; None: a body that is no completion."""


class JudgeServer(ThreadingHTTPServer):
    """Answers with its replies one after the other, the last one for ever; keeps what it was sent."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies: list[Reply] = []
        self.slow_s = 0.0
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.running = 0
        self.most_running = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: JudgeServer

    def do_POST(self) -> None:
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.requests.append({"path": self.path, **body})
            server.keys.append(self.headers.get("Authorization"))
            status, content = server.replies[0] if len(server.replies) == 1 else server.replies.pop(0)
            server.running += 1
            server.most_running = max(server.most_running, server.running)
        time.sleep(server.slow_s)
        with server.lock:
            server.running -= 1
        completion = {
            "choices": [{"message": {"role": "assistant", "content": content}}],
            "usage": {"prompt_tokens": 120, "completion_tokens": 12},
        }
        data = b"<html>" if content is None else json.dumps(completion).encode()
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            if status == 429:
                self.send_header("Retry-After", "3")
            self.end_headers()
            self.wfile.write(data)
        except OSError:  # the client stopped waiting
            return

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def judge_server() -> Iterator[JudgeServer]:
    server = JudgeServer()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
