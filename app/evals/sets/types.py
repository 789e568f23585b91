"""What a file of questions is read into."""

from __future__ import annotations

from dataclasses import dataclass

from app.evals.cases import Case, CorpusDocument


@dataclass(frozen=True, slots=True)
class ReadSet:
    """Questions, and the documents they come with (none: they are asked of the user's own)."""

    cases: tuple[Case, ...]
    corpus: tuple[CorpusDocument, ...] = ()
