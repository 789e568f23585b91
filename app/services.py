"""What the service is made of: typed containers, and how they are put together from models and settings."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from sqlalchemy import Engine

from app.answers.inspecting import Inspections
from app.answers.running import RunningAnswers
from app.answers.types import GeneratorName, Verify
from app.data_folders import index_folder
from app.db import Sessions, create_engine, make_sessions, migrate
from app.documents.blobs import BlobStore
from app.settings import Settings
from app.sites.running import RunningReads
from ingest.types import TokenSpans
from retrieval.index_store import IndexStore
from retrieval.types import Encode, ScorePairs, SearchConfig
from retrieval.workspace import Workspace, exclusive

log = logging.getLogger(__name__)


PromptMask = Literal["full", "block"]


@dataclass(frozen=True, slots=True)
class GenerateOptions:
    """How one answer is decoded."""

    max_new_tokens: int
    stop: tuple[str, ...] = ()
    markers: tuple[str, ...] | None = None  # the only bracketed markers that may be written; None: any
    mask: PromptMask = "full"  # `block`: passages are read apart, and those met before are not read again
    may_refuse: bool = False  # the template's `no_answer` is a possible answer: its calibration applies
    best_score: float | None = None  # of the passages, 0..1, which that calibration weighs
    refusal_offset: float = 0.0  # added to what that calibration adds to the logit of a refusal
    temperature: float = 0.0  # 0 is greedy
    top_k: int = 0  # 0 is off
    top_p: float = 1.0
    repetition_penalty: float = 1.0
    seed: int = 0
    told_token: Callable[[int], None] | None = field(default=None, compare=False)  # hears every token's id
    keep_passages: bool = field(default=True, compare=False)  # that are read, for later prompts


class AnswerTemplate(Protocol):
    """The words around passages and questions that a decoder was trained on, or is shown by examples."""

    @property
    def preamble(self) -> str: ...

    @property
    def no_answer(self) -> str | None:
        """The marker that is the whole answer where the passages hold none; None: there is no such marker."""
        ...

    @property
    def max_passages(self) -> int | None:
        """Most passages that the decoder makes good use of; None: any number."""
        ...

    @property
    def stop(self) -> tuple[str, ...]: ...

    def passage_segment(self, number: int, text: str, headings: Sequence[str] = ()) -> str:
        """One passage with its number, and the headings it stands under, outermost first."""
        ...

    def question_segment(self, text: str) -> str: ...

    def ask_segment(self, number: int) -> str:
        """Asks for a question that the passage of this number answers."""
        ...

    def rewrite_segments(self, earlier: list[str], last: str) -> list[str]:
        """Asks for the last question in words that stand alone; one earlier one or more, oldest first."""
        ...


class TextGenerator(Protocol):
    """A decoder behind text: prompt in, pieces of text out."""

    @property
    def id(self) -> str: ...

    @property
    def context_tokens(self) -> int: ...

    @property
    def template(self) -> AnswerTemplate: ...

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, or of a segment of a prompt; the begin token is not counted."""
        ...

    def generate(
        self, segments: tuple[str, ...], options: GenerateOptions, cancelled: Callable[[], bool]
    ) -> Iterator[str]:
        """Yields pieces of text as they are decoded; never yields a stop sequence."""
        ...


RefusalLead = Callable[[tuple[str, ...], PromptMask, float | None], float | None]
"""Segments, their mask and the best passage's score to the lead of a refusal, calibration counted: above 0 it
is written. None: this decoder never refuses."""

LogProbs = Callable[[tuple[str, ...], PromptMask, Sequence[int]], Sequence[float]]
"""Segments, their mask and token ids to the natural logarithm of each token's probability behind them."""


@dataclass(frozen=True, slots=True)
class GenerationState:
    """How busy the generator is and what its caches did, for metrics."""

    waiting: int  # answers that wait for room
    running: int
    drafted_tokens: int  # by prompt lookup, since the start
    accepted_tokens: int  # of them
    cache_tokens: int  # room for keys and values
    cache_free_tokens: int
    prefix_hit_tokens: int  # of prompts, that were read from earlier prompts' blocks, since the start
    prefix_missed_tokens: int
    prefix_evictions: int
    passage_hits: int  # passages whose keys and values were in memory, since the start
    passage_misses: int
    passage_evictions: int
    passage_bytes: int  # stored now
    passage_disk_hits: int  # found on disk and not in memory
    passage_disk_evictions: int
    passage_disk_damaged: int  # files that were not what had been written
    passage_disk_unwritten: int
    passage_disk_bytes: int  # of the whole folder, as last counted


@dataclass(frozen=True, slots=True)
class IngestModels:
    """What a worker needs: an encoder and its tokenizer."""

    encoder_id: str  # name and revision
    dimension: int
    encode: Encode
    token_spans: TokenSpans
    name: str = ""  # what FOOTNOTE_ENCODER calls it
    another: Callable[[str], IngestModels] | None = None  # loads the encoder of another name


@dataclass(frozen=True, slots=True)
class LargerGenerator:
    """A second decoder, for the questions that are routed to it."""

    generator: TextGenerator
    is_overloaded: Callable[[], bool]  # true: nothing more should go there now


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a person may want to know about a network in use."""

    kind: str  # encoder, reranker, verifier, decoder, answerer
    id: str
    licence: str
    source: str  # where the weights come from
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Models:
    """Every network of the service."""

    ingest: IngestModels
    reranker_id: str
    score_pairs: ScorePairs
    verifier_id: str
    verify: Verify
    generator: TextGenerator
    logprobs: LogProbs | None = None  # None: the generator cannot weigh a given text
    refusal_lead: RefusalLead = field(default=lambda *_: None)
    arithmetic: Mapping[str, str] = field(default_factory=dict)  # dtype, device, decode, ...
    generation_state: Callable[[], GenerationState] | None = None  # None: the generator keeps no such counts
    larger: LargerGenerator | None = None
    cards: Callable[[], Sequence[ModelFacts]] = field(default=tuple)  # may read whole weight files
    forget_passages: Callable[[], None] = field(default=lambda: None)  # what was kept of texts read before
    close: Callable[[], None] = field(default=lambda: None)

    def writer(self, name: GeneratorName) -> TextGenerator:
        """The decoder of a route."""
        if name == "default":
            return self.generator
        if self.larger is None:
            raise ValueError("there is no larger decoder")
        return self.larger.generator

    def written_by(self, generator_id: str | None) -> TextGenerator:
        """The decoder of this id, or the default one when it is not here any more."""
        if self.larger is not None and self.larger.generator.id == generator_id:
            return self.larger.generator
        return self.generator


@dataclass(frozen=True, slots=True)
class Services:
    """The built application."""

    settings: Settings
    engine: Engine
    sessions: Sessions
    blobs: BlobStore
    models: Models
    index: IndexStore
    pictures: Workspace  # where pages are drawn: what a killed process leaves is swept by the next
    alone: bool = False  # a command's own process, which may be ended to get rid of a stage that hangs
    running: RunningAnswers = field(default_factory=RunningAnswers)
    inspections: Inspections = field(default_factory=Inspections)
    site_reads: RunningReads = field(default_factory=RunningReads)

    def close(self) -> None:
        """Stops the models and releases files and connections."""
        self.running.cancel_all()
        self.inspections.cancel_all()
        self.site_reads.stop_all()
        self.models.close()
        self.index.close()
        self.pictures.close()
        self.engine.dispose()


def assemble_services(settings: Settings, models: Models) -> Services:
    """The application around ready models: database migrated, index opened.

    A torn, stale or foreign index starts empty and follows SQL again; the log says why.
    """
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    migrate(settings.resolved_database_url)
    engine = create_engine(settings.resolved_database_url)
    return Services(
        settings=settings,
        engine=engine,
        sessions=make_sessions(engine),
        blobs=BlobStore(settings.data_dir / "blobs"),
        models=models,
        index=open_index(settings, models.ingest),
        pictures=_open_workspace(settings.data_dir / "pictures"),
    )


def _open_workspace(folder: Path) -> Workspace:
    folder.mkdir(exist_ok=True)
    with exclusive(folder):
        return Workspace(folder)


def open_index(settings: Settings, models: IngestModels) -> IndexStore:
    """The newest intact snapshot of this encoder, or an empty index; the log says why one was not used."""
    index = IndexStore.open(index_folder(settings), encoder_id=models.encoder_id, dimension=models.dimension)
    if index.problem:
        log.warning("the index snapshot was not used: %s", index.problem)
    return index


def search_config(settings: Settings) -> SearchConfig:
    """The saved retrieval configuration, the same for chat, API, command line and evals."""
    return SearchConfig(
        dense_k=settings.search_dense_k,
        bm25_k=settings.search_bm25_k,
        rrf_k=settings.search_rrf_k,
        rerank_k=settings.search_rerank_k,
        fused_weight=settings.search_fused_weight,
        top_k=settings.search_top_k,
        evidence_threshold=settings.evidence_threshold,
        min_sureness=settings.min_sureness,
    )
