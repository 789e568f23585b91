"""The kinds `answers` and `retrieval`: ask a question as a person would, or only search for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.answers.evaluation import answer_case
from app.answers.rewrite import standalone_question
from app.evals.cases import Case
from app.evals.gold import Candidate
from app.evals.judging.client import Judge
from app.evals.judging.scoring import judged
from app.evals.runs.places import CorpusPlace, DocumentsPlace, OwnPlace, Place
from app.evals.runs.scoring import answer_scores, retrieval_scores, why_unscorable
from app.evals.runs.types import Unit, UnitResult, unscorable
from app.services import Services
from retrieval.types import SearchConfig

SHOWN_HITS = 5


@dataclass(frozen=True, slots=True)
class Context:
    """What every unit of a run shares."""

    services: Services
    config: SearchConfig
    documents: DocumentsPlace
    corpus: CorpusPlace | None  # of the set, if it brings one
    set_id: int = 0
    judge: Judge | None = None  # where the run names one

    def place(self, case: Case) -> Place:
        """Where this question is asked."""
        if case.passages is not None:
            return OwnPlace(self.services, case, self.config)
        return self.corpus or self.documents

    def why_unscorable(self, case: Case) -> str | None:
        """Also a gold that names nothing there is: whatever is found would count as wrong."""
        if reason := why_unscorable(case):
            return reason
        if absent := self.place(case).missing(case.relevant):
            gold = absent[0]
            return f"The gold {gold.id or gold.file or gold.document_id} is not among what is asked."
        return None


def ask(context: Context, unit: Unit) -> UnitResult:
    """The whole way from question to checked answer; raises what answering raises."""
    case = unit.case
    if reason := context.why_unscorable(case):
        return unscorable(reason)
    place = context.place(case)
    reads = None if case.passages is not None else context.config.top_k
    answer = answer_case(context.services, case.question, case.history, place.search, reads=reads)
    found = [place.candidate(hit.chunk) for hit in answer.hits]
    cited = [place.candidate(chunk) for chunk in answer.cited]
    scores = retrieval_scores(case, found) | answer_scores(case, answer, cited)
    detail = {
        "state": answer.state,
        "answer": answer.text,
        "standalone_question": answer.standalone_question,
        "best_score": answer.best_score,
        "cited": names(cited),
        "found": names(found[:SHOWN_HITS]),
        "claims": [{"text": text, "supported": held} for text, held in answer.claims],
    }
    result = UnitResult("scored", scores, detail)
    return result if context.judge is None else judged(context.judge, case, answer, result)


def search(context: Context, unit: Unit) -> UnitResult:
    """The search alone, for questions with gold."""
    case = unit.case
    if not case.relevant:
        return unscorable("It names no gold passage.")
    if reason := context.why_unscorable(case):
        return unscorable(reason)
    place = context.place(case)
    asked = standalone_question(case.question, case.history, context.services.models.generator)
    result = place.search(asked)
    found = [place.candidate(hit.chunk) for hit in result.hits]
    scores = retrieval_scores(case, found) | {
        "failed": 0.0,
        "seconds": sum(result.timings_ms.values()) / 1000,
    }
    detail = {
        "standalone_question": asked,
        "best_score": result.best_score,
        "found": names(found[:SHOWN_HITS]),
    }
    return UnitResult("scored", scores, detail)


def names(candidates: Sequence[Candidate]) -> list[str]:
    """Where passages stand, for people."""
    return [
        candidate.key
        or (f"{candidate.chunk.file_name}#{candidate.chunk.page_first}" if candidate.chunk.page_first else "")
        or candidate.chunk.file_name
        for candidate in candidates
    ]
