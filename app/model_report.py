"""What `footnote models` says of each network: size, licence, source, speed on this machine, quality."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from sqlalchemy.orm import Session

from app.evals import repository
from app.services import GenerateOptions, TextGenerator

PROMPT_WORDS = 400
ANSWER_TOKENS = 48
_EVALS_READ = 200  # the latest runs, of which the newest that names a generator counts


class Card(Protocol):
    """What the model registry knows of a network."""

    @property
    def kind(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def licence(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Speed:
    """Of one generator, alone on this machine."""

    first_token_s: float  # after a prompt of `prompt_tokens`
    prompt_tokens: int
    prompt_tokens_per_s: float
    answer_tokens_per_s: float


def measure(generator: TextGenerator) -> Speed:
    """Reads a made-up prompt and writes an answer to it, after a short one that warms up."""
    _timed(generator, 20)
    prompt_tokens, first_token_s, rest_s = _timed(generator, PROMPT_WORDS)
    return Speed(
        first_token_s, prompt_tokens, prompt_tokens / first_token_s, (ANSWER_TOKENS - 1) / max(rest_s, 1e-9)
    )


def _timed(generator: TextGenerator, words: int) -> tuple[int, float, float]:
    """Tokens of the prompt, seconds to the first piece, seconds from there to the last."""
    prompt = " ".join(f"word{number}" for number in range(words))
    started = time.perf_counter()
    first: float | None = None
    for _ in generator.generate((prompt,), GenerateOptions(ANSWER_TOKENS), lambda: False):
        first = first or time.perf_counter()
    ended = time.perf_counter()
    return generator.count_tokens(prompt), (first or ended) - started, ended - (first or ended)


def quality_of(session: Session, owner_id: int, generator_id: str) -> dict[str, Any] | None:
    """Run, set and values of the newest measurement of this generator's answers; None without one."""
    for run in repository.list_latest(session, owner_id, _EVALS_READ, None):
        named = run.config.get("generator")
        if run.kind == "answers" and run.status == "done" and named == generator_id:
            values = {name: each["value"] for name, each in (run.metrics or {}).items() if "value" in each}
            return {"run": run.id, "set": run.name, "values": values}
    return None


def as_row(card: Card) -> dict[str, Any]:
    """A network as JSON shows it."""
    names = ("kind", "id", "licence", "source", "sha256", "size_bytes")
    return {name: getattr(card, name) for name in names}


def lines_of(row: Mapping[str, Any]) -> Iterator[str]:
    """A network as the terminal shows it."""
    yield f"{row['kind']:9} {row['id']}"
    yield f"{'':9} {row['size_bytes'] / 1e6:,.0f} MB, {row['licence']}, sha256 {row['sha256']}"
    yield f"{'':9} {row['source']}"


def lines_of_generator(generator_id: str, speed: Speed, quality: Mapping[str, Any] | None) -> Iterator[str]:
    """Speed and quality of a generator as the terminal shows them."""
    yield f"generator {generator_id}"
    yield (
        f"{'':9} reads {speed.prompt_tokens_per_s:,.0f} tokens/s, writes {speed.answer_tokens_per_s:,.0f} "
        f"tokens/s; first token after {speed.first_token_s:.2f} s of {speed.prompt_tokens} tokens"
    )
    if quality is None:
        yield f"{'':9} quality not measured here: footnote eval answers FILE"
        return
    shown = ", ".join(f"{name} {value:.2f}" for name, value in quality["values"].items() if value is not None)
    yield f"{'':9} run {quality['run']} on {quality['set']}: {shown}"


def generator_row(generator_id: str, speed: Speed, quality: Mapping[str, Any] | None) -> dict[str, Any]:
    """Speed and quality of a generator as JSON shows them."""
    return {"id": generator_id, "speed": asdict(speed), "quality": quality}
