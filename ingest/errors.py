"""Why a file could not become chunks: a stable code, the stage, the cause and what to do next."""

from __future__ import annotations

from ingest.types import Stage


class IngestError(Exception):
    """An expected failure of one file.

    `permanent` says that trying the same bytes again cannot help. `code` is stable and documented.
    `page` is where reading broke, where that is known.
    """

    def __init__(
        self,
        code: str,
        *,
        stage: Stage,
        file_name: str,
        cause: str,
        next_step: str,
        permanent: bool = True,
        page: int | None = None,
    ) -> None:
        super().__init__(f"{file_name}: {cause} {next_step}")
        self.code = code
        self.stage: Stage = stage
        self.file_name = file_name
        self.cause = cause
        self.next_step = next_step
        self.permanent = permanent
        self.page = page
