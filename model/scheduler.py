"""Prefill and decode: many answers at once over one cache (continuous batching; Orca, 2022).

Every step decodes all running sequences together in one forward pass and spends what is left of its token
budget on prompts, in chunks (chunked prefill, Sarathi, 2023). The two are passes of their own, because one
pass would pad every decoded token to the length of a chunk. A request that arrives while a chunk is computed
need not wait for its end: the step ends after the layer under way, and a later one goes on with the chunk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from model.decoder_runner import DecoderRunner, Prefill
from model.decoder_tokenizer import PromptTokens
from model.forward_pass import Interrupt
from model.kv_cache import CachedSequence, CacheFull, blocks_for
from model.scores import Scores
from model.writer import Piece, Writer

STEP_TOKENS = 256  # computed a step: how long those who decode wait for their next token
STEP_DRAFT_TOKENS = 16  # of these; drafts pay while a step is bound by reading the weights, not by arithmetic
MAX_RUNNING = 16  # sequences that share the cache and decode together
MAX_OVERTAKEN = 16  # times that a request waiting for room lets a smaller one pass
MAX_PASSED_OVER = 4  # chunks in a row that the oldest prompt leaves to shorter ones


class Receiver(Protocol):
    """Where the pieces of one request go; called in the thread that steps."""

    def put(self, item: Piece, /) -> None:
        """The next piece."""
        ...

    def end(self, error: Exception | None = None, /) -> None:
        """Nothing follows: the request was finished, cancelled, or failed with `error`."""
        ...

    def cancelled(self) -> bool:
        """True when nobody wants the rest; asked once a step."""
        ...


@dataclass(frozen=True, slots=True)
class Job:
    """A prompt and the writer of what follows it, for one use; nothing of it is in the cache yet."""

    prompt: PromptTokens
    writer: Writer


@dataclass(frozen=True, slots=True)
class SchedulerState:
    """What the scheduler holds and has done."""

    waiting: int
    running: int  # prefilled in part or decoding
    drafted_tokens: int
    accepted_tokens: int  # drafts that proved right


@dataclass(eq=False)
class _Request:
    job: Job
    receiver: Receiver
    blocks: int  # that it needs at most, for its prompt and all that it may write
    overtaken: int = 0


@dataclass(eq=False)
class _Active:
    """A request that holds a part of the cache."""

    request: _Request
    prefill: Prefill

    @property
    def sequence(self) -> CachedSequence:
        return self.prefill.sequence

    @property
    def promised_blocks(self) -> int:
        """Blocks it may still ask for."""
        return self.request.blocks - len(self.sequence.blocks)


class Scheduler:
    """Requests wait for room, are prefilled, then decode together; used by one thread.

    A request is only let in when all that it may ever need is free, so that no step runs out of blocks.
    """

    def __init__(
        self, runner: DecoderRunner, *, step_tokens: int = STEP_TOKENS, max_running: int = MAX_RUNNING
    ) -> None:
        """Raises ValueError when a step of all that may run would leave no token for prompts."""
        if step_tokens <= max_running + STEP_DRAFT_TOKENS:
            raise ValueError(f"{step_tokens} tokens a step are too few for {max_running} running sequences")
        self._runner = runner
        self._step_tokens = step_tokens
        self._max_running = max_running
        self._waiting: deque[_Request] = deque()
        self._prefilling: list[_Active] = []  # oldest first
        self._decoding: list[_Active] = []
        self._passed_over = self._drafted = self._accepted = 0

    @property
    def state(self) -> SchedulerState:
        """Counts for metrics; may be read from any thread."""
        running = len(self._prefilling) + len(self._decoding)
        return SchedulerState(len(self._waiting), running, self._drafted, self._accepted)

    def submit(self, job: Job, receiver: Receiver) -> None:
        """Let a request wait for its turn. Raises CacheFull when it could not run even alone."""
        blocks = blocks_for(len(job.prompt.all) + job.writer.left_tokens)
        if blocks > self._runner.cache.blocks:
            raise CacheFull(f"{blocks} cache blocks needed, there are {self._runner.cache.blocks}")
        self._waiting.append(_Request(job, receiver, blocks))

    def withdraw(self, receiver: Receiver) -> None:
        """Forget the receiver's request now, if it is not over; it hears nothing more."""
        for request in [each for each in self._waiting if each.receiver is receiver]:
            self._waiting.remove(request)
        for active in [each for each in self._active() if each.request.receiver is receiver]:
            self._leave(active)

    def step(self, interrupt: Interrupt | None = None) -> bool:
        """Advance everything by one step; False when nothing is left to do.

        While `interrupt` is set, a prompt is read to the end of a layer and no further. Whoever sets it when
        a request arrives clears it before he submits what has arrived and steps again.
        """
        self._drop_cancelled()
        self._admit()
        self._prefill(self._step_tokens - self._decode(), interrupt)
        return bool(self._waiting or self._prefilling or self._decoding)

    def _active(self) -> Iterable[_Active]:
        yield from self._prefilling
        yield from self._decoding

    def _drop_cancelled(self) -> None:
        for request in [each for each in self._waiting if each.receiver.cancelled()]:
            self._waiting.remove(request)
            request.receiver.end()
        for active in [each for each in self._active() if each.request.receiver.cancelled()]:
            self._finish(active)

    def _admit(self) -> None:
        """Start what fits, oldest first; a large request lets smaller ones pass, but not forever."""
        passed: list[_Request] = []
        for request in list(islice(self._waiting, self._max_running)):
            full = len(self._prefilling) + len(self._decoding) == self._max_running
            if full or any(each.overtaken == MAX_OVERTAKEN for each in passed):
                break
            if not self._fits(request):
                passed.append(request)
                continue
            self._start(request)
            for each in passed:
                each.overtaken += 1
        self._refuse_what_cannot_start()

    def _fits(self, request: _Request) -> bool:
        promised = sum(active.promised_blocks for active in self._active())
        return request.blocks <= self._runner.cache.free_blocks - promised

    def _start(self, request: _Request) -> None:
        self._waiting.remove(request)
        self._prefilling.append(_Active(request, Prefill(self._runner, request.job.prompt)))

    def _refuse_what_cannot_start(self) -> None:
        """When nothing runs, nothing will give blocks back: another user of the cache holds them."""
        if self._waiting and not (self._prefilling or self._decoding):
            request = self._waiting.popleft()
            free = self._runner.cache.free_blocks
            request.receiver.end(CacheFull(f"{request.blocks} cache blocks needed, {free} are free"))

    def _decode(self) -> int:
        """One forward pass for all running sequences; returns the tokens that it read."""
        rows = list(self._decoding)
        if not rows:
            return 0
        most_drafted = STEP_DRAFT_TOKENS // len(rows)
        tokens = [row.request.job.writer.next_tokens(most_drafted) for row in rows]
        counts = [len(each) for each in tokens]
        try:
            only_best = all(row.request.job.writer.only_best for row in rows)
            scores = self._runner.extend([row.sequence for row in rows], tokens, only_best=only_best)
        except Exception as error:  # noqa: BLE001 - handed to everyone who waits for this pass
            for row in rows:
                self._finish(row, error)
            return sum(counts)
        for row, own in zip(rows, scores.split(counts), strict=True):
            self._write(row, own)
        return sum(counts)

    def _prefill(self, budget_tokens: int, interrupt: Interrupt | None) -> None:
        """Read prompts while the budget lasts, in whole chunks; an interrupted one is gone on with later.

        What others write at the time so changes no chunk, and with it no bit of the keys and values of a
        prompt: an answer comes out the same beside others and alone.
        """
        while budget_tokens > 0 and self._prefilling:
            active = self._next_prompt()
            try:
                budget_tokens -= active.prefill.advance(self._step_tokens, interrupt)
            except Exception as error:  # noqa: BLE001 - handed to the one who asked
                self._finish(active, error)
                continue
            if not active.prefill.is_stopped:
                self._count_turn(active)
            if active.prefill.logits is not None:
                self._prefilling.remove(active)
                self._decoding.append(active)
                self._write(active, Scores(active.prefill.logits[None]))
            if interrupt is not None and interrupt.is_set():
                return

    def _next_prompt(self) -> _Active:
        """The one that is done soonest, lest long prompts hold up short ones; now and then the oldest."""
        if self._passed_over == MAX_PASSED_OVER:
            return self._prefilling[0]
        return min(self._prefilling, key=lambda active: active.prefill.remaining_tokens)

    def _count_turn(self, active: _Active) -> None:
        """A chunk that was stopped is no turn yet: the oldest's own is not taken from it by who arrives."""
        self._passed_over = 0 if active is self._prefilling[0] else self._passed_over + 1

    def _write(self, active: _Active, scores: Scores) -> None:
        """Hand on what logits [1 + drafts, V] decide, and forget the drafts that were wrong."""
        try:
            pieces = active.request.job.writer.write(scores)
        except Exception as error:  # noqa: BLE001 - handed to the one who asked
            self._finish(active, error)
            return
        wrong = len(scores) - len(pieces)
        self._runner.cache.truncate(active.sequence, active.sequence.length_tokens - wrong)
        self._drafted += len(scores) - 1
        self._accepted += len(pieces) - 1
        for piece in pieces:
            active.request.receiver.put(piece)
        if pieces[-1].finish_reason is not None:
            self._finish(active)

    def _finish(self, active: _Active, error: Exception | None = None) -> None:
        self._leave(active)
        active.request.receiver.end(error)

    def _leave(self, active: _Active) -> None:
        """Give the blocks back."""
        (self._prefilling if active in self._prefilling else self._decoding).remove(active)
        self._runner.cache.close(active.sequence)
