"""What the service says about itself: search configurations, models, settings, speed, thresholds."""

from __future__ import annotations

from ui.schemas import Read


class SearchConfig(Read):
    """The one retrieval configuration of search, chat and evals."""

    dense_k: int = 50
    bm25_k: int = 50
    rrf_k: int = 60
    rerank_k: int = 24
    fused_weight: int = 0
    top_k: int = 5
    evidence_threshold: float = 0.05


class Configuration(Read):
    id: int
    name: str
    config: SearchConfig
    in_force: bool


class Configurations(Read):
    """Saved configurations; `in_force` is a name, `settings` before any was adopted."""

    in_force: str
    settings: SearchConfig
    items: tuple[Configuration, ...] = ()

    def named(self, name: str) -> SearchConfig:
        """The values of a configuration; those of the settings when the name is not one of a saved one."""
        return next((each.config for each in self.items if each.name == name), self.settings)


class ModelFacts(Read):
    kind: str
    id: str
    licence: str
    source: str
    size_bytes: int


class Setting(Read):
    name: str
    variable: str
    value: str | float | int | bool | None = None
    default: str | float | int | bool | None = None
    description: str


class StageTime(Read):
    stage: str
    median_ms: float
    p95_ms: float
    answers: int


class Overview(Read):
    version: str
    models: tuple[ModelFacts, ...] = ()
    settings: tuple[Setting, ...] = ()
    speed: tuple[StageTime, ...] = ()


class SharePoint(Read):
    """A share with its 95% interval."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0


class GatePoint(Read):
    threshold: float
    min_sureness: float | None = None  # None: the decoder never refuses
    false_answers: SharePoint
    false_refusals: SharePoint


class Calibration(Read):
    set_name: str
    recommended: float
    recommended_sureness: float | None = None
    curve: tuple[GatePoint, ...] = ()


class Gate(Read):
    """How sure the answers of a collection must be, and what was measured about that on its questions."""

    threshold: float | None = None
    default: float
    in_force: float
    min_sureness: float | None = None
    default_sureness: float = 0.5
    sureness_in_force: float = 0.5
    stale: bool = False
    calibration: Calibration | None = None
