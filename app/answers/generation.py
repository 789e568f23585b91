"""One run of the decoder as the trace keeps it: what it was given and what it wrote. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from app.services import AnswerTemplate, GenerateOptions


@dataclass(slots=True)
class Generation:
    """Everything that decides the tokens, weights and arithmetic aside; it grows while the decoder writes."""

    segments: tuple[str, ...]
    options: GenerateOptions
    chunk_ids: tuple[int, ...] = ()  # of the passages: the segments between the first and the last
    text: str = ""  # as decoded, markers and all
    token_ids: list[int] = field(default_factory=list)

    def listening(self) -> GenerateOptions:
        """The options with an ear for the tokens."""
        return replace(self.options, told_token=self.token_ids.append)

    def to_json(self) -> dict[str, Any]:
        options = asdict(replace(self.options, told_token=None))
        for decides_no_token in ("told_token", "keep_passages"):
            options.pop(decides_no_token)
        return {
            "segments": list(self.segments),
            "options": options,
            "chunk_ids": list(self.chunk_ids),
            "text": self.text,
            "token_ids": self.token_ids,
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Generation:
        """What `to_json` wrote."""
        names = {each.name for each in fields(GenerateOptions)}
        options: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in row["options"].items()
            if name in names
        }
        return cls(
            tuple(row["segments"]),
            GenerateOptions(**options),
            tuple(row["chunk_ids"]),
            row["text"],
            list(row["token_ids"]),
        )


def template_id(template: AnswerTemplate) -> str:
    """First digits of the checksum of the words around passages and questions."""
    words = (
        template.preamble,
        template.passage_segment(1, "text", ("heading",)),
        template.question_segment("?"),
    )
    return hashlib.sha256("\0".join((*words, str(template.no_answer))).encode()).hexdigest()[:12]


def text_id(text: str) -> str:
    """First digits of the checksum of a passage's text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
