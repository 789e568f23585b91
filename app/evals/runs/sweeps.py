"""The kinds `positions` and `noise`: a question with its gold passage placed, or surrounded, on purpose.

The gate stands open and the prompt admits every passage, so that nothing but place and company changes.
Distractors are what the search finds for the question, best first, without passages that hold the gold or the
expected answer. Positions are counted from the first passage of the prompt to the last, next to the question.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from app.answers.evaluation import answer_case, in_prompt_order
from app.evals.cases import Case
from app.evals.gold import holds
from app.evals.metrics import normalize_answer
from app.evals.positions import positions
from app.evals.runs.asking import Context
from app.evals.runs.places import Place
from app.evals.runs.scoring import answer_scores
from app.evals.runs.types import Unit, UnitResult, unscorable
from app.services import Services
from retrieval.types import Chunk

POSITION_PASSAGES = 10  # in the prompt of a position sweep
NOISE_LEVELS = (0, 1, 2, 4, 6, 8, 10)  # distractors beside the gold passage
SEARCH_DEPTH = 40  # passages looked through for distractors
PROMPT_TOKENS = 32_768

POSITION_VARIANTS = tuple(f"{place + 1}_of_{POSITION_PASSAGES}" for place in positions(POSITION_PASSAGES))
Arrange = Callable[[Chunk, list[Chunk]], list[Chunk]]
"""The gold passage and distractors, best first, to the order of the prompt."""

NOISE_VARIANTS = tuple(str(level) for level in NOISE_LEVELS)


def ask_at_position(context: Context, unit: Unit) -> UnitResult:
    """The gold passage at one place among ten."""
    place = int(unit.variant.partition("_")[0]) - 1
    return _ask(context, unit, POSITION_PASSAGES - 1, lambda gold, rest: [*rest[:place], gold, *rest[place:]])


def ask_in_noise(context: Context, unit: Unit) -> UnitResult:
    """The gold passage next to the question, behind so many distractors, the best of them nearest."""
    level = int(unit.variant)
    return _ask(context, unit, max(NOISE_LEVELS), lambda gold, rest: [*reversed(rest[:level]), gold])


def wide(services: Services, passages: int) -> Services:
    """The same services with a prompt that admits that many passages."""
    update = {"prompt_passages": passages, "prompt_tokens": PROMPT_TOKENS}
    return replace(services, settings=services.settings.model_copy(update=update))


def _ask(context: Context, unit: Unit, needed: int, arrange: Arrange) -> UnitResult:
    case = unit.case
    if not (case.answerable and case.answers and case.relevant):
        return unscorable("It needs an expected answer and a gold passage.")
    if reason := context.why_unscorable(case):
        return unscorable(reason)
    place = context.place(case)
    gold = place.gold_chunk(case.relevant)
    if gold is None:
        return unscorable("No passage holds the gold.")
    rest = distractors(case, place, gold)[:needed]
    if len(rest) < needed:
        return unscorable(f"Only {len(rest)} of {needed} passages could stand beside the gold one.")
    chunks = arrange(gold, rest)
    services = wide(context.services, needed + 1)
    answer = answer_case(services, case.question, case.history, lambda _: in_prompt_order(chunks))
    if answer.left_out:
        return unscorable(f"{answer.left_out} of the passages did not fit into the prompt.")
    scores = answer_scores(case, answer, [place.candidate(chunk) for chunk in answer.cited])
    return UnitResult("scored", scores, {"state": answer.state, "answer": answer.text})


def distractors(case: Case, place: Place, gold: Chunk) -> list[Chunk]:
    """What is found for the question but neither holds its gold nor its answer, best first."""
    references = [normalize_answer(answer) for answer in case.answers]
    found = (hit.chunk for hit in place.search(case.question, SEARCH_DEPTH).hits)
    return [
        chunk
        for chunk in found
        if chunk.chunk_id != gold.chunk_id
        and not any(holds(each, place.candidate(chunk)) for each in case.relevant)
        and not _answers(references, chunk.text)
    ]


def _answers(references: Sequence[str], text: str) -> bool:
    words = f" {normalize_answer(text)} "
    return any(reference and f" {reference} " in words for reference in references)
