"""SQL of the job queue. Times are the database client's UTC clock, passed in.

Whoever changes a job and its document locks the document first, except `take_next`, which skips rows that
somebody else holds; whoever stores passages holds their collection before that, and the index log last. That
order is what keeps PostgreSQL free of deadlocks; SQLite has one writer anyway.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import CursorResult, Select, Update, delete, func, or_, select, update
from sqlalchemy.orm import Session

from app.jobs.types import JobProgress, LeasedJob
from app.tables import Document, DocumentVersion, Job, utc_now

UNFINISHED = ("queued", "running")
LONGEST_PAUSE = timedelta(hours=1)  # between two tries
NOT_LEASED: dict[str, Any] = {"leased_by": None, "lease_expires_at": None, "seconds_left": None}


def enqueue(session: Session, owner_id: int, document_id: int) -> Job:
    job = Job(owner_id=owner_id, document_id=document_id)
    session.add(job)
    session.flush()
    return job


def get(session: Session, owner_id: int, job_id: int) -> Job | None:
    return session.scalar(select(Job).where(Job.owner_id == owner_id, Job.id == job_id))


def due_statement(now: datetime, document_ids: Collection[int] | None) -> Select[Job, Document]:
    """Jobs that may start, longest waiting first, with their documents.

    No pause is longer than LONGEST_PAUSE: a start beyond it was set before the clock was turned back.
    """
    due = or_(Job.run_after <= now, Job.run_after > now + LONGEST_PAUSE)
    statement = (
        select(Job, Document)
        .join(Document, Document.id == Job.document_id)
        .where(Job.status == "queued", due, Document.deleted_at.is_(None))
        .order_by(Job.run_after, Job.id)
        .limit(1)
    )
    return statement if document_ids is None else statement.where(Job.document_id.in_(list(document_ids)))


def any_due(session: Session, now: datetime, document_ids: Collection[int] | None) -> bool:
    return session.execute(due_statement(now, document_ids)).first() is not None


def take_next(
    session: Session,
    worker_id: str,
    *,
    now: datetime,
    lease_s: float,
    document_ids: Collection[int] | None = None,
) -> LeasedJob | None:
    """Leases the job that has waited longest, if any; `document_ids` narrows the choice."""
    statement = due_statement(now, document_ids).with_for_update(skip_locked=True)
    found = session.execute(statement).one_or_none()
    if found is None:
        return None
    job, document = found
    job.status, job.leased_by = "running", worker_id
    job.lease_expires_at = now + timedelta(seconds=lease_s)
    job.attempts += 1
    job.started_at = now
    job.stage, job.stage_done, job.stage_total, job.stages = "stored", 0, 0, None
    document.status = "processing"
    return LeasedJob(
        job_id=job.id,
        document_id=document.id,
        owner_id=job.owner_id,
        collection_id=document.collection_id,
        file_name=document.file_name,
        sha256=document.sha256,
        attempts=job.attempts,
        password=session.scalar(
            select(DocumentVersion.password).where(
                DocumentVersion.document_id == document.id, DocumentVersion.number == document.version
            )
        ),
    )


def extend_lease(session: Session, job_id: int, worker_id: str, until: datetime) -> bool:
    """Heartbeat; False when the lease is no longer held."""
    return _update_held(session, job_id, worker_id, lease_expires_at=until)


def set_progress(session: Session, job_id: int, worker_id: str, progress: JobProgress) -> bool:
    """False when the lease is no longer held."""
    return _update_held(
        session,
        job_id,
        worker_id,
        stage=progress.current.stage,
        stage_done=progress.current.done,
        stage_total=progress.current.total,
        stages=[asdict(count) for count in progress.stages],
        seconds_left=progress.seconds_left,
    )


def set_done(session: Session, job_id: int, worker_id: str) -> bool:
    return _update_held(session, job_id, worker_id, status="done", error=None, **NOT_LEASED)


def set_queued(
    session: Session,
    job_id: int,
    worker_id: str,
    *,
    run_after: datetime,
    error: dict[str, Any] | None,
    attempts: int,
) -> bool:
    return _update_held(
        session,
        job_id,
        worker_id,
        status="queued",
        run_after=run_after,
        error=error,
        attempts=attempts,
        **NOT_LEASED,
    )


def set_dead(session: Session, job_id: int, worker_id: str, error: dict[str, Any]) -> bool:
    return _update_held(session, job_id, worker_id, status="dead", error=error, **NOT_LEASED)


def cancel(session: Session, document_id: int, error: dict[str, Any]) -> bool:
    """Ends the waiting or running job of a document, whoever holds it; False when there is none.

    The worker notices at its next step that the job is no longer its own.
    """
    statement = (
        update(Job)
        .where(Job.document_id == document_id, Job.status.in_(UNFINISHED))
        .values(updated_at=utc_now(), status="dead", error=error, **NOT_LEASED)
        .execution_options(synchronize_session=False)
    )
    return _changed(session, statement) > 0


def hurry(session: Session, document_id: int) -> int | None:
    """Lets the waiting job of a document start at once; its id, None when there is none."""
    return session.scalar(
        update(Job)
        .where(Job.document_id == document_id, Job.status == "queued")
        .values(updated_at=utc_now(), run_after=utc_now())
        .returning(Job.id)
        .execution_options(synchronize_session=False)
    )


def unfinished(session: Session, job_ids: Collection[int]) -> frozenset[int]:
    """Those of the jobs that wait or run."""
    statement = select(Job.id).where(Job.id.in_(list(job_ids)), Job.status.in_(UNFINISHED))
    return frozenset(session.scalars(statement))


def list_running(session: Session) -> Sequence[Job]:
    return session.scalars(select(Job).where(Job.status == "running").order_by(Job.id)).all()


def delete_of_document(session: Session, document_id: int) -> None:
    session.execute(delete(Job).where(Job.document_id == document_id))


def count_by_status(session: Session) -> dict[str, int]:
    statement = select(Job.status, func.count()).group_by(Job.status)
    return dict(session.execute(statement).all())


def count_overdue(session: Session, before: datetime) -> int:
    """Jobs that could have started before that moment and were not taken."""
    statement = select(func.count()).where(Job.status == "queued", Job.run_after < before)
    return session.scalar(statement) or 0


def list_newest(session: Session, owner_id: int, limit: int) -> Sequence[tuple[Job, Document]]:
    """Jobs with their documents: those at work and waiting first, then the newest."""
    statement = (
        select(Job, Document)
        .join(Document, Document.id == Job.document_id)
        .where(Job.owner_id == owner_id, Document.deleted_at.is_(None))
        .order_by(Job.status.in_(UNFINISHED).desc(), Job.id.desc())
        .limit(limit)
    )
    return [(job, document) for job, document in session.execute(statement)]


def _update_held(session: Session, job_id: int, worker_id: str, **values: Any) -> bool:
    """Changes the job only while this worker holds it."""
    statement = (
        update(Job)
        .where(Job.id == job_id, Job.leased_by == worker_id, Job.status == "running")
        .values(updated_at=utc_now(), **values)
        .execution_options(synchronize_session=False)
    )
    return _changed(session, statement) == 1


def _changed(session: Session, statement: Update) -> int:
    result = session.execute(statement)
    assert isinstance(result, CursorResult)
    return result.rowcount
