"""How an answer came about, as the Inspector page reads it."""

from __future__ import annotations

from ui.schemas import Read, Scores


class Stage(Read):
    """One timed step; `part_of` names the step that it is a part of."""

    name: str
    start_ms: float | None = None
    ms: float
    part_of: str | None = None


class PromptPart(Read):
    kind: str  # preamble, passage, question
    text: str
    tokens: int
    chunk_id: int | None = None


class Run(Read):
    """One run of the decoder: what it read and wrote."""

    parts: list[PromptPart]
    text: str
    tokens: int
    mask: str = "full"
    seed: int = 0
    temperature: float = 0.0


class Candidate(Read):
    """A passage that search returned, with every score."""

    rank: int
    chunk_id: int
    file_name: str | None = None
    page: int | None = None
    text: str = ""
    scores: Scores
    carried: bool = False
    in_prompt: bool = False
    cited: bool = False


class Trace(Read):
    message_id: int
    conversation_id: int
    question: str
    standalone_question: str | None = None
    answer: str | None = None
    state: str
    stages: list[Stage]
    runs: list[Run]
    candidates: list[Candidate]
    caches: dict[str, int]
    models: dict[str, str]
    arithmetic: dict[str, str]
    template: str | None = None
    withheld: list[str]
    config: dict[str, float | int]
    replayable: bool = False


class InspectionProgress(Read):
    """How far a replay or a weighing is."""

    stage: str
    done: int
    total: int
    elapsed_s: float


class Change(Read):
    what: str
    then: str
    now: str


class Difference(Read):
    generation: int
    token: int
    then: str
    now: str


class ReplayResult(Read):
    """What came of writing an answer again."""

    identical: bool
    generations: int
    tokens: int
    difference: Difference | None = None
    changes: list[Change]


class Influence(Read):
    """Without this passage each token is less probable by `lost` (natural logarithm, mean)."""

    generation: int
    number: int
    chunk_id: int
    lost: float


class Influences(Read):
    """Those of one answer."""

    influences: list[Influence]
