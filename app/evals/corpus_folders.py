"""Where the index of a corpus is kept: a folder named by the content, lest it be searched for another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from app.data_folders import eval_folder
from app.evals.cases import CorpusDocument
from app.settings import Settings
from retrieval.workspace import remove_unused


def corpus_folder(settings: Settings, set_id: int, corpus: Sequence[CorpusDocument]) -> Path:
    """The folder of these documents in this order: the index numbers them by it."""
    return eval_folder(settings) / f"set-{set_id}-{_digest(corpus)}"


def remove_corpus_folders(settings: Settings, set_id: int, keep: Path | None = None) -> None:
    """Removes the indexes of a set, without the one to keep and those that a run is searching."""
    folders = eval_folder(settings)
    for pattern in (f"set-{set_id}", f"set-{set_id}-*"):  # an id may be the beginning of another
        for folder in folders.glob(pattern):
            if folder != keep:
                remove_unused(folder)


def _digest(corpus: Sequence[CorpusDocument]) -> str:
    digest = hashlib.sha256()
    for document in corpus:
        digest.update(json.dumps([document.key, document.title, document.text]).encode())
    return digest.hexdigest()[:12]
