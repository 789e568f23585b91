"""A large model behind an OpenAI-compatible endpoint as a judge of answers: an add-on, off by default.

Questions, answers and cited passages leave the machine, so nothing is sent unless a run names the judge.
Protocol: https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from app.evals.judging.prompt import PROMPT_VERSION, NotAVerdict, Verdict, messages, read_verdict
from app.settings import Settings

TRIES = 3
LONGEST_PAUSE_S = 10.0
REPLY_TOKENS = 100
MAX_REPLY_BYTES = 1024**2
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Judged:
    """What came of asking the judge; no verdict: unscorable, and why."""

    verdict: Verdict | None
    reason: str | None = None
    tries: int = 1
    prompt_tokens: int = 0
    reply_tokens: int = 0


class Judge:
    """One endpoint and model. Thread safe."""

    def __init__(self, settings: Settings, pause: Callable[[float], None] = time.sleep) -> None:
        self.model = settings.judge_model
        self._pause = pause
        self._turns = threading.BoundedSemaphore(settings.judge_concurrency)
        key = settings.judge_api_key.get_secret_value()
        self._http = httpx.Client(
            base_url=settings.judge_base_url.rstrip("/") + "/",
            timeout=settings.judge_timeout_s,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            follow_redirects=False,  # elsewhere is not where the person agreed to send things
            trust_env=False,
        )

    def close(self) -> None:
        self._http.close()

    def judge(self, question: str, answer: str, references: Sequence[str], passages: Sequence[str]) -> Judged:
        """Asks until it is judged, `TRIES` times at most; what fails is unscorable and never raised."""
        body = {
            "model": self.model,
            "temperature": 0,
            "max_tokens": REPLY_TOKENS,
            "messages": messages(question, answer, references, passages),
        }
        with self._turns:
            reason = ""
            for attempt in range(1, TRIES + 1):
                try:
                    response = self._http.post("chat/completions", json=body)
                except httpx.TransportError as error:
                    reason, pause_s = f"The judge did not answer ({type(error).__name__}).", 2.0**attempt / 2
                else:
                    if response.is_success:
                        return _read(response, attempt, bool(references), bool(passages))
                    reason = f"The judge answered {response.status_code}."
                    if response.status_code not in _AGAIN:
                        return Judged(None, reason, attempt)
                    pause_s = _pause_s(response, attempt)
                if attempt < TRIES:
                    self._pause(pause_s)
        return Judged(None, reason, TRIES)


def judge_facts(settings: Settings) -> dict[str, str] | None:
    """Model, host and prompt version of the configured judge; None without one."""
    if not (settings.judge_base_url and settings.judge_model):
        return None
    host = urlsplit(settings.judge_base_url).netloc
    return {"model": settings.judge_model, "host": host, "prompt_version": PROMPT_VERSION}


def _read(response: httpx.Response, tries: int, has_references: bool, has_passages: bool) -> Judged:
    try:
        body: Any = response.json() if len(response.content) <= MAX_REPLY_BYTES else {}
        reply = body["choices"][0]["message"]["content"]
    except (ValueError, KeyError, IndexError, TypeError):
        return Judged(None, "The judge's reply is no chat completion.", tries)
    usage = body.get("usage") or {}
    tokens = (_count(usage, "prompt_tokens"), _count(usage, "completion_tokens"))
    try:
        verdict = read_verdict(str(reply), has_references=has_references, has_passages=has_passages)
    except NotAVerdict as error:
        return Judged(None, str(error), tries, *tokens)
    return Judged(verdict, None, tries, *tokens)


def _count(usage: Any, name: str) -> int:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) else 0


def _pause_s(response: httpx.Response, attempt: int) -> float:
    """What the server asks for, if it says so in seconds; within bounds."""
    asked = response.headers.get("retry-after", "")
    wanted = float(asked) if asked.isdecimal() else 2.0**attempt / 2
    return min(LONGEST_PAUSE_S, wanted)
