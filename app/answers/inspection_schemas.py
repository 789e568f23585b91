"""Bodies of the trace, the replay and the influence of passages."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from app.answers.schemas import Scores


class StageOut(BaseModel):
    """One timed step; `part_of` names the step that it is a part of."""

    name: str
    start_ms: float | None  # from the beginning of the answer; None where only the duration is known
    ms: float
    part_of: str | None = None


class PromptPartOut(BaseModel):
    """One segment of what the decoder read."""

    kind: str  # preamble, passage, question
    text: str
    tokens: int
    chunk_id: int | None = None


class RunOut(BaseModel):
    """One run of the decoder."""

    parts: list[PromptPartOut]
    text: str  # as decoded, markers and all
    tokens: int
    mask: str
    seed: int
    temperature: float
    max_new_tokens: int


class CandidateOut(BaseModel):
    """A passage that search returned; `text` is empty where it exists no more."""

    rank: int
    chunk_id: int
    file_name: str | None
    page: int | None
    text: str
    scores: Scores
    carried: bool  # a candidate because the last answer cited it
    in_prompt: bool
    cited: bool


class TraceOut(BaseModel):
    """How an answer came about."""

    message_id: int
    conversation_id: int
    question: str
    standalone_question: str | None
    answer: str | None
    state: str
    created_at: datetime
    stages: list[StageOut]
    runs: list[RunOut]
    candidates: list[CandidateOut]
    caches: dict[str, int]  # what they did meanwhile, for other answers of that time too
    models: dict[str, str]
    arithmetic: dict[str, str]
    template: str | None
    withheld: list[str]  # sentences of passages that address a model: it was not shown them
    config: dict[str, float | int]
    replayable: bool


class _FromAttributes(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ChangeOut(_FromAttributes):
    what: str
    then: str
    now: str


class DifferenceOut(_FromAttributes):
    generation: int
    token: int
    then: str
    now: str


class ReplayOut(_FromAttributes):
    """What came of writing an answer again."""

    message_id: int
    identical: bool
    generations: int
    tokens: int
    difference: DifferenceOut | None
    changes: list[ChangeOut]
    text: str


class InfluenceOut(_FromAttributes):
    """Without this passage each token is less probable by `lost` (natural logarithm, mean): a hint only."""

    generation: int
    number: int
    chunk_id: int
    lost: float


class InfluencesOut(BaseModel):
    message_id: int
    influences: list[InfluenceOut]
