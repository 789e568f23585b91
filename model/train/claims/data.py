"""Claims judged by people, and the windows of passages that claims are checked against.

SciFact, WiCE, ExpertQA and PubMedQA come as they were labelled; what rules add to them is small and marked.
Documents are split as everywhere in `model.train.data`; passages met twice stay in the held-out split.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from model.train.claims.edits import negate, oppose, sentences
from model.train.claims.statements import plain, yes_or_no
from model.train.data import Passage, Split, read_rows, split_of

SUPPORTED, CONTRADICTED, NOT_SUPPORTED = range(3)  # as in model.verifier.VERDICTS
JUDGED_FILES = (
    "claims_scifact.jsonl.gz",
    "claims_wice_partial.jsonl.gz",
    "cited_expertqa.jsonl.gz",
    "qa_pubmedqa_pqal.jsonl.gz",
)
WINDOW_WORDS = (40, 75, 110, 150)  # longest passage windows, one drawn a row; 150 words are about 200 tokens
_SCIFACT_LABELS = {"SUPPORT": SUPPORTED, "CONTRADICT": CONTRADICTED, "NOT_ENOUGH_INFO": NOT_SUPPORTED}
_EXPERT_LABELS = {"Complete": SUPPORTED, "Incomplete": NOT_SUPPORTED, "Partial": NOT_SUPPORTED}
_MARKER = re.compile(r"\s*\[\d+\]")

Spans = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Example:
    """A claim against one passage window."""

    claim: str
    passage: str
    label: int
    source: str
    lacks: Spans | None = None  # characters of the claim that lack support; (): none do; None: not known


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim judged against a text of sentences."""

    claim: str
    sentences: tuple[str, ...]
    needed: tuple[
        int, ...
    ]  # sentences that the label rests on; (): any window, from the end where it is long
    label: int
    source: str
    document: str
    lacks: Spans | None = None

    @property
    def split(self) -> Split:
        """Decided by the document that was judged against."""
        return split_of(Passage("", "", self.source, self.document))


def window(
    parts: Sequence[str], needed: Sequence[int], max_words: int, chance: random.Random
) -> tuple[int, int]:
    """A run [first, last) of sentences that holds the needed ones and has about `max_words` at most."""
    seed = needed or (chance.randrange(len(parts)),)
    first, last = min(seed), max(seed) + 1
    words = sum(len(part.split()) for part in parts[first:last])
    while True:
        sides = [first - 1] * (first > 0) + [last] * (last < len(parts))
        sides = [at for at in sides if words + len(parts[at].split()) <= max_words]
        if not sides:
            return first, last
        at = chance.choice(sides)
        words += len(parts[at].split())
        first, last = min(first, at), max(last, at + 1)


def example_of(item: Judged, chance: random.Random) -> Example:
    """The claim against a window drawn around what its label rests on."""
    needed: Sequence[int] = item.needed
    if not needed and item.label != NOT_SUPPORTED:
        needed = (len(item.sentences) - 1,)  # abstracts conclude at their end
    longest = WINDOW_WORDS[-1] if not item.needed else chance.choice(WINDOW_WORDS)
    first, last = window(item.sentences, needed, longest, chance)
    return Example(item.claim, " ".join(item.sentences[first:last]), item.label, item.source, item.lacks)


def load_judged(folder: Path) -> list[Judged]:
    """Every judged claim of the four sets, and the few that rules make of them."""
    made = [*_scifact(folder), *_wice(folder), *_expertqa(folder), *_pubmedqa(folder)]
    return [item for item in made if item.sentences and item.claim]


def _scifact(folder: Path) -> Iterator[Judged]:
    for row in read_rows(folder / "claims_scifact.jsonl.gz"):
        first_document = row["docs"][0]["doc_id"] if row["docs"] else ""
        home = split_of(Passage("", "", "claims_scifact", first_document))
        for document in row["docs"]:
            parts = tuple(" ".join(part.split()) for part in document["abstract"])
            label = _SCIFACT_LABELS[document["label"]]
            for needed in document["rationales"] or [()]:
                lacks = () if label == SUPPORTED else None
                item = Judged(
                    row["claim"], parts, tuple(needed), label, "claims_scifact", document["doc_id"], lacks
                )
                if item.split == home:
                    yield item


def _wice(folder: Path) -> Iterator[Judged]:
    for row in read_rows(folder / "claims_wice_partial.jsonl.gz"):
        needed = tuple(sorted({at for group in row["supporting_sentences"] for at in group}))
        spans = _token_spans(row["claim"], row["claim_tokens"])
        lacking = [span for span, flag in zip(spans, row["unsupported"], strict=True) if flag]
        document, parts = row["evidence"][0], tuple(row["evidence"])
        if not lacking or not needed or max(needed) - min(needed) > 12:
            continue
        item = Judged(
            row["claim"], parts, needed, NOT_SUPPORTED, "claims_wice_partial", document, tuple(lacking)
        )
        yield item
        rest = _less_the_end(row["claim"], lacking)
        if rest is not None:
            yield replace(item, claim=rest, label=SUPPORTED, lacks=())


def _token_spans(text: str, tokens: Sequence[str]) -> list[tuple[int, int]]:
    """Character spans of tokens that follow each other in `text`."""
    spans, at = [], 0
    for token in tokens:
        start = max(text.find(token, at), at)
        spans.append((start, start + len(token)))
        at = start + len(token)
    return spans


def _less_the_end(claim: str, lacking: Sequence[tuple[int, int]]) -> str | None:
    """The claim up to its first unsupported word, where all that lacks support is its end."""
    start = lacking[0][0]
    gaps = [claim[a[1] : b[0]] for a, b in pairwise(lacking)]
    if any(len(gap.split()) > 1 for gap in gaps) or len(claim[lacking[-1][1] :].split()) > 1:
        return None
    kept = re.sub(
        r"[\s,;:(]*(?:\b(?:and|or|in|on|of|by|with|for|to|as|the|a|an|from|at|which|who)\b[\s(]*)*$",
        "",
        claim[:start],
    )
    return kept + "." if len(kept.split()) >= 6 else None


def _expertqa(folder: Path) -> Iterator[Judged]:
    """Claims whose cited passages were read by an expert; "N/A" and absent evidence are left out."""
    for row in read_rows(folder / "cited_expertqa.jsonl.gz"):
        texts = {context["n"]: context["text"] for context in row["contexts"] or ()}
        for said in row["claims"]:
            label = _EXPERT_LABELS.get(said["support"] or "")
            if label is None or len(said["cites"]) != 1 or not texts.get(said["cites"][0]):
                continue
            claim = _MARKER.sub("", said["claim"]).strip()
            parts = tuple(sentences(texts[said["cites"][0]]))
            lacks = () if label == SUPPORTED else None
            yield Judged(claim, parts, tuple(range(len(parts))), label, "cited_expertqa", row["id"], lacks)


def _pubmedqa(folder: Path) -> Iterator[Judged]:
    """The decision as a claim (question and "yes" or "no", or a statement), and the authors' conclusion."""
    for row in read_rows(folder / "qa_pubmedqa_pqal.jsonl.gz"):
        parts = tuple(sentences(row["context"]))
        holds = {"yes": True, "no": False}.get(row["decision"])
        for answer in (True, False):
            label = NOT_SUPPORTED if holds is None else SUPPORTED if answer == holds else CONTRADICTED
            said = yes_or_no(row["question"], holds=answer) or plain(
                row["question"], "Yes." if answer else "No."
            )
            lacks = () if label == SUPPORTED else ((said.start, said.end),)
            yield Judged(said.text, parts, (), label, "qa_pubmedqa", row["id"], lacks)
        conclusion = (sentences(row["answers"][0]["text"]) or [""])[0]
        if holds is not None and len(conclusion.split()) >= 6:
            yield Judged(conclusion, parts, (), SUPPORTED, "qa_pubmedqa", row["id"], ())


def contradicting(item: Judged, chance: random.Random) -> Judged | None:
    """A supported claim turned round by an antonym or a negation."""
    edit = oppose(item.claim, chance) or negate(item.claim, chance)
    if item.label != SUPPORTED or "?" in item.claim or edit is None:
        return None
    return replace(item, claim=edit.text, label=CONTRADICTED, lacks=edit.changed)


def fingerprint(text: str) -> bytes:
    """Equal for passages that differ only in case, space and punctuation."""
    return hashlib.sha256(" ".join(re.findall(r"\w+", text.casefold())).encode()).digest()


def without_duplicates(judged: Sequence[Judged]) -> tuple[list[Judged], int]:
    """Drops training claims whose evidence also stands in a held-out split; also returns how many."""
    texts = {item.sentences: fingerprint(" ".join(item.sentences)) for item in judged}
    held_out = {texts[item.sentences] for item in judged if item.split != "train"}
    kept = [item for item in judged if item.split != "train" or texts[item.sentences] not in held_out]
    return kept, len(judged) - len(kept)
