"""A thread of the API process that keeps the index near SQL and saves snapshots.

Questions catch up by themselves before they search; this thread makes that a no-op, does the long first
catch-up after a start without holding up health checks, decides when a snapshot is worth its writing, and
purges what deletions and new versions leave behind.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from enum import StrEnum

from sqlalchemy.exc import DBAPIError

from app.data_folders import passage_folder
from app.documents.encoder_switch import changed_over, remember
from app.documents.index_sync import catch_up
from app.documents.kept_passages import Forgetting
from app.documents.sweeping import sweep_services
from app.errors import AppError, ErrorBody, Overloaded
from app.services import Services
from retrieval.index_store import IndexStore

log = logging.getLogger(__name__)

ChangeOver = Callable[[Services], None]
"""Told about the services that take the place of those in use."""

SAVE_RETRY_S = 30.0  # after a snapshot that could not be written
KEEP_REPLACED_S = 120.0  # longer than any question
SWEEP_EVERY_S = 60.0  # without a change: vectors of a replaced encoder expire by time
SAVE_AFTER_CHANGES = 200
SAVE_AFTER_QUIET_ROUNDS = 20  # nothing new for this many polls
SAVE_PAUSE_FACTOR = 20  # times what the last save took: at most a twentieth of the time goes into saving


class IndexState(StrEnum):
    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"


class IndexFollower:
    """`start` it after the services are built, `stop` it before they are closed."""

    def __init__(self, services: Services, change_over: ChangeOver = lambda _: None) -> None:
        self.state = IndexState.STARTING
        self.problem: ErrorBody | None = None
        self._services = services
        self._change_over = change_over
        self._replaced: list[tuple[float, IndexStore]] = []  # (when, index): questions may still be in it
        self._stop = threading.Event()
        self._noted_id = services.index.last_change_id
        self._unsaved_changes = 0
        self._quiet_rounds = 0
        self._forgetting = Forgetting(
            passage_folder(services.settings),
            lambda: self._services.models.forget_passages(),
            seen_id=self._noted_id,
        )
        self._next_sweep_s = 0.0  # at once: a crash may have left something before this process began
        self._save_not_before = 0.0  # time.monotonic()
        self._thread = threading.Thread(target=self._follow, name="index-follower", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and saves what is not saved yet."""
        self._stop.set()
        self._thread.join()
        if self._unsaved_changes and self.state is IndexState.READY:
            self._save()
        for _, index in self._replaced:
            index.close()

    def _follow(self) -> None:
        while not self._stop.is_set():
            self._round()
            self._stop.wait(self._services.settings.poll_interval_s)

    def _round(self) -> None:
        try:
            self._follow_encoder()
            if self._services.index.damaged:
                log.error("the index has lost vectors while it was in use; it is rebuilt from the database")
                self._services.index.reset()
                self._noted_id = 0
            with self._services.sessions() as session:
                catch_up(session, self._services.index, encoder_id=self._services.models.ingest.encoder_id)
            changes = self._new_changes()
            self._note(changes)
            self._forget_passages()
            self.state, self.problem = IndexState.READY, None
            if changes or time.monotonic() >= self._next_sweep_s:
                sweep_services(self._services)
                self._next_sweep_s = time.monotonic() + SWEEP_EVERY_S
            self._services.index.maintain()  # beside the index in use: questions go on
        except AppError as error:
            self._fail(error.body())
        except (DBAPIError, OSError, RuntimeError, ValueError) as error:
            self._fail(
                ErrorBody(
                    code="index_unavailable",
                    stage="index",
                    cause=f"The index could not follow the database: {type(error).__name__}.",
                    next_step="Read the server log; `footnote doctor` compares index and database.",
                )
            )
            log.exception("the index could not follow the database")

    def _follow_encoder(self) -> None:
        """Changes over when vectors of another encoder have become the active ones."""
        while self._replaced and self._replaced[0][0] < time.monotonic() - KEEP_REPLACED_S:
            self._replaced.pop(0)[1].close()
        remember(self._services.sessions, self._services.models.ingest)
        services = changed_over(self._services)
        if services is not None:
            self._replaced.append((time.monotonic(), self._services.index))
            self._services, self._unsaved_changes = services, 1
            self._change_over(services)
            log.info("the encoder is %s from now on", services.models.ingest.encoder_id)

    def _new_changes(self) -> int:
        """How many the index has taken in since the last round, by this thread or before a question."""
        before, self._noted_id = self._noted_id, self._services.index.last_change_id
        return abs(self._noted_id - before)

    def _forget_passages(self) -> None:
        """After a deletion the decoder keeps nothing of passages that it has read."""
        try:
            with self._services.sessions() as session:
                self._forgetting.advance(session)
        except Overloaded:
            return  # in the next round
        except OSError:
            log.exception("stored passages could not be removed; the next round tries again")

    def _fail(self, problem: ErrorBody) -> None:
        if self.problem is None or self.problem.code != problem.code:
            log.error("%s %s", problem.cause, problem.next_step)
        self.state, self.problem = IndexState.FAILED, problem

    def _note(self, changes: int) -> None:
        """Saves after many changes, or when a burst of them is over."""
        self._unsaved_changes += changes
        self._quiet_rounds = 0 if changes else self._quiet_rounds + 1
        due = self._unsaved_changes >= SAVE_AFTER_CHANGES or (
            self._unsaved_changes and self._quiet_rounds >= SAVE_AFTER_QUIET_ROUNDS
        )
        if due and time.monotonic() >= self._save_not_before:
            self._save()

    def _save(self) -> None:
        """A large index takes seconds to write, so the pause after it grows with the time it took."""
        started = time.monotonic()
        try:
            self._services.index.save()
            self._unsaved_changes = 0
            self._save_not_before = time.monotonic() + SAVE_PAUSE_FACTOR * (time.monotonic() - started)
        except (OSError, RuntimeError, ValueError):  # FAISS and Tantivy have their own words for a full disk
            log.exception("the index snapshot could not be saved; the next start rebuilds from the database")
            self._save_not_before = time.monotonic() + SAVE_RETRY_S
