"""Which form a file of questions has, and its questions."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.evals.sets.beir import read_beir
from app.evals.sets.own_jsonl import invalid, read_own_jsonl
from app.evals.sets.spreadsheet import read_csv
from app.evals.sets.squad import read_squad
from app.evals.sets.types import ReadSet

BEIR_PARTS = ("corpus", "queries", "qrels")
TABLES = (".csv", ".tsv")


def read_set(paths: Sequence[Path]) -> ReadSet:
    """One file in our JSON lines, CSV or SQuAD form; three in BEIR form, told apart by their names.

    A folder is read as a BEIR folder: `corpus.jsonl`, `queries.jsonl` and `qrels/test.tsv` or `qrels.tsv`,
    each also gzipped. Raises EvalFileInvalid.
    """
    if len(paths) == 1:
        return read_beir(**_beir_folder(paths[0])) if paths[0].is_dir() else _read_one(paths[0])
    return read_beir(**_beir_parts(paths))


def digest(path: Path) -> str:
    """SHA-256 of what `read_set` reads of a file or BEIR folder, in hexadecimal; raises EvalFileInvalid."""
    if not path.is_dir():
        return _sha256(path)
    parts = [f"{part} {_sha256(file)}" for part, file in sorted(_beir_folder(path).items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise invalid(path, f"it cannot be read: {error}") from error


def _read_one(path: Path) -> ReadSet:
    suffixes = [suffix.casefold() for suffix in path.suffixes]
    if any(suffix in TABLES for suffix in suffixes):
        return read_csv(path)
    if ".json" in suffixes:
        return read_squad(path, _json(path))
    return read_own_jsonl(path)


def _json(path: Path) -> object:
    try:
        data = path.read_bytes()
        return json.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise invalid(path, f"it cannot be read as JSON: {error}") from error


def _beir_parts(paths: Sequence[Path]) -> Mapping[str, Path]:
    parts: dict[str, Path] = {}
    for path in paths:
        part = next((part for part in BEIR_PARTS if part in path.name.casefold()), None)
        if part is None or part in parts:
            raise invalid(path, "several files are one set only as corpus, queries and qrels, named so")
        parts[part] = path
    missing = [part for part in BEIR_PARTS if part not in parts]
    if missing:
        raise invalid(paths[0], f"of corpus, queries and qrels {' and '.join(missing)} is missing")
    return parts


def _beir_folder(folder: Path) -> Mapping[str, Path]:
    names = {
        "corpus": ("corpus.jsonl", "corpus.jsonl.gz"),
        "queries": ("queries.jsonl", "queries.jsonl.gz"),
        "qrels": ("qrels/test.tsv", "qrels.tsv", "qrels.tsv.gz"),
    }
    found: dict[str, Path] = {}
    for part, candidates in names.items():
        there = [folder / name for name in candidates if (folder / name).is_file()]
        if not there:
            raise invalid(folder, f"the folder holds no {candidates[0]}")
        found[part] = there[0]
    return found
