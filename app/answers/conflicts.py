"""Passages that disagree with the one that a claim rests on. Pure over an injected verifier.

Conservative: a conflict is only told when the other passage speaks of the same subject, under no other
condition, and either the verifier reads it as a contradiction or it states another value for the same thing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.answers.judgement import judge
from app.answers.sentences import split_sentences
from app.answers.types import Claim, Conflict, ConflictKind, Footnote, Passage, TextPlace, Verify
from app.answers.values import Value, ValueKind, stem, topic, values_of

CONTRADICTED = 0.5  # least probability of a contradiction that is told
SAME_NAME_SENTENCE = 0.7  # least share of words that two sentences with different names share
_HEDGED = re.compile(
    r"\b(?:about|around|nearly|roughly|approximately|almost|over|under|more than|less than|fewer than|"
    r"at least|at most|up to|some|between|or)\b|[~≈<>≤≥]",
    re.IGNORECASE,
)
_NEGATION = re.compile(r"\b(?:not|never|no|nobody|none|cannot|without)\b|n['’]t\b", re.IGNORECASE)
_ONE_OF_SEVERAL = re.compile(
    r"\b(?:an?|one of|among|some|also|too|another|other|members?|includ\w+)\b", re.IGNORECASE
)
_SHARED_ROLE = re.compile(r"\b(?:one of|among|also|too|another|members?|includ\w+)\b", re.IGNORECASE)
_CONDITIONS = """
    before after until since during unless except if when while formerly former previously previous then now
    today currently planned hour hourly day daily week weekly month monthly year yearly annually only
"""
_QUALIFIERS = frozenset(map(stem, _CONDITIONS.split()))


Differing = tuple[ConflictKind, str | None, str | None]
"""What differs, and both values where it is a value."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A sentence of another passage that speaks of what a claim says."""

    note: Footnote  # where the claim is supported
    passage: Passage
    span: tuple[int, int]  # of the sentence in the passage
    differing: Differing | None

    @property
    def sentence(self) -> str:
        return self.passage.chunk.text[slice(*self.span)]


def find_conflicts(
    question: str, footnotes: Sequence[Footnote], passages: Sequence[Passage], verify: Verify
) -> list[Conflict]:
    """One conflict a claim and passage at most, in the order of the claims."""
    suspects = [
        suspect
        for note in _supporting(footnotes)
        for passage in passages
        if passage.chunk.chunk_id not in _resting(note.claim, footnotes)
        for suspect in _suspects(question, note, passage)
    ]
    said = judge(question, [(one.note.claim.text, one.sentence) for one in suspects], verify)
    found: dict[tuple[Claim, int], Conflict] = {}
    for suspect, verdict in zip(suspects, said, strict=True):
        conflict = _conflict(suspect, verdict.contradicted)
        if conflict is not None:
            found.setdefault((suspect.note.claim, suspect.passage.chunk.chunk_id), conflict)
    return list(found.values())


def _supporting(footnotes: Sequence[Footnote]) -> Iterator[Footnote]:
    """The first footnote of each claim that supports it."""
    told = set()
    for note in footnotes:
        if note.verdict == "supported" and note.claim not in told:
            told.add(note.claim)
            yield note


def _resting(claim: Claim, footnotes: Sequence[Footnote]) -> set[int]:
    """Chunks that support the claim."""
    return {
        note.passage.chunk.chunk_id
        for note in footnotes
        if note.claim == claim and note.verdict == "supported"
    }


def _suspects(question: str, note: Footnote, passage: Passage) -> Iterator[Suspect]:
    text = passage.chunk.text
    context = " ".join((*passage.chunk.headings, text))
    for span in split_sentences(text):
        sentence = text[slice(*span)]
        if same_subject(question, note.claim.text, note.text, sentence, context):
            differing = differing_value(question, note.claim.text, note.text, sentence, context)
            yield Suspect(note, passage, span, differing)


def _conflict(suspect: Suspect, contradicted: float) -> Conflict | None:
    if suspect.differing is None and (contradicted < CONTRADICTED or _SHARED_ROLE.search(suspect.sentence)):
        return None
    kind, here, there = suspect.differing or ("contradiction", None, None)
    note, offset = suspect.note, suspect.passage.chunk.start
    return Conflict(
        kind=kind,
        claim_start=note.claim.start,
        claim_end=note.claim.end,
        supporting=TextPlace(note.passage.number, note.passage.chunk.document_id, note.start, note.end),
        disputing=TextPlace(
            suspect.passage.number,
            suspect.passage.chunk.document_id,
            offset + suspect.span[0],
            offset + suspect.span[1],
        ),
        supporting_text=note.text,
        disputing_text=suspect.sentence,
        supporting_value=here,
        disputing_value=there,
        contradicted=contradicted,
    )


def same_subject(question: str, claim: str, evidence: str, sentence: str, context: str) -> bool:
    """Whether a sentence speaks of what the evidence says about the question, under the same conditions.

    Every word of the question that the evidence takes up must be there too (names may stand elsewhere in the
    passage: the sentence may say "he"), with no other name, date or condition.
    """
    asked, said, other = topic(question) | topic(claim), topic(evidence), topic(sentence)
    answer = {word for value in _answers(question, claim) for word in map(stem, value.text.split())}
    units = {value.unit for value in values_of(evidence) if value.kind == "number"}
    names = {
        stem(word) for value in values_of(question) if value.kind == "name" for word in value.text.split()
    }
    key = (asked & said) - answer - units
    if not key or _HEDGED.search(sentence) or _HEDGED.search(claim):
        return False
    if not key <= other | (names & topic(context)):
        return False
    return (said & _QUALIFIERS) == (other & _QUALIFIERS) and not _other_condition(
        question, claim, evidence, sentence
    )


def _answers(question: str, claim: str) -> list[Value]:
    """What the claim states that the question does not."""
    asked = values_of(question)
    named = {word for value in asked if value.kind == "name" for word in value.text.split()}
    return [
        value
        for value in values_of(claim)
        if (not set(value.text.split()) <= named if value.kind == "name" else not _among(value, asked))
    ]


def _among(value: Value, others: Sequence[Value]) -> bool:
    return any(value.kind == other.kind and value.same(other) for other in others)


def _other_condition(question: str, claim: str, evidence: str, sentence: str) -> bool:
    """Whether one of the sentences is about another name or date than the other, apart from the answer."""
    answers = _answers(question, claim)
    kinds = _answer_kinds(answers)
    here, there, asked = values_of(evidence), values_of(sentence), values_of(question)
    for kind in ("name", "date"):
        if kind in kinds:
            continue
        mine = [value for value in here if value.kind == kind]
        its = [value for value in there if value.kind == kind]
        if any(not _among(value, [*mine, *asked]) for value in its):
            return True
        if kind == "date" and any(not _among(value, its) for value in mine):
            return True
    return False


def _answer_kinds(answers: Sequence[Value]) -> set[ValueKind]:
    """Kinds of value that answer: a name only where nothing else does, for it may be the subject."""
    kinds: set[ValueKind] = {value.kind for value in answers}
    return {kind for kind in kinds if kind != "name" or len(kinds) == 1}


def differing_value(
    question: str, claim: str, evidence: str, sentence: str, context: str
) -> Differing | None:
    """Where the sentence states another value for what the claim answers, or denies it in its own words."""
    answers = _answers(question, claim)
    if not answers and _denies(question, claim, evidence, sentence):
        return "contradiction", None, None
    elsewhere = values_of(context)
    for kind in _answer_kinds(answers):
        mine = [value for value in answers if value.kind == kind]
        if kind == "name":
            found = _other_name(question, mine, evidence, sentence)
        else:
            found = _other_value(mine, evidence, sentence)
        if found is not None and not any(_among(value, elsewhere) for value in mine):
            return found
    return None


def _denies(question: str, claim: str, evidence: str, sentence: str) -> bool:
    """Whether the sentence says nothing but the claim, and only one of the two with a "not"."""
    said, other = topic(claim), topic(sentence)
    words = topic(question) | said | topic(evidence)
    negated = [bool(_NEGATION.search(text)) for text in (claim, evidence, sentence)]
    return negated[0] == negated[1] != negated[2] and said <= other <= words | {"not", "never"}


def _other_value(mine: Sequence[Value], evidence: str, sentence: str) -> Differing | None:
    """Another number of the same unit, another time or date; further numbers would be conditions."""
    kind, units = mine[0].kind, {value.unit for value in mine}
    there = values_of(sentence)
    its = [value for value in there if value.kind == kind and value.unit in units]
    here = values_of(evidence)
    further = [v for v in there if v.kind == "number" and v not in its and not _among(v, here)]
    if len(its) != len(mine) or any(_among(value, mine) for value in its):
        return None
    if kind == "number" and further:
        return None
    return kind, mine[0].text, its[0].text


def _other_name(question: str, mine: Sequence[Value], evidence: str, sentence: str) -> Differing | None:
    """Another name in a sentence that is otherwise the same, where there can be only one."""
    known = [value for value in (*values_of(question), *values_of(evidence)) if value.kind == "name"]
    its = [value for value in values_of(sentence) if value.kind == "name" and not _among(value, known)]
    if len(mine) != 1 or len(its) != 1:
        return None
    if _ONE_OF_SEVERAL.search(evidence) or _ONE_OF_SEVERAL.search(sentence):
        return None
    names = {stem(word) for value in (*mine, *its) for word in value.text.split()}
    here, there = topic(evidence) - names, topic(sentence) - names
    if len(here & there) < SAME_NAME_SENTENCE * len(here | there):
        return None
    return "name", mine[0].text, its[0].text
