"""What endpoints ask for: the services, a session, the user.

Read sessions see one snapshot; write sessions take their turn and commit when the endpoint has returned,
before the response is sent. Nothing below an endpoint ever commits a request's session.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.orm import Session

from app.accounts.service import local_account
from app.accounts.types import Account
from app.documents.index_follower import IndexFollower
from app.errors import NotReady
from app.evals.runs.runner import EvalRunner
from app.services import Services


def get_services(request: Request) -> Services:
    """The services built at start; raises NotReady before that."""
    services = getattr(request.app.state, "services", None)
    if not isinstance(services, Services):
        raise NotReady("The service is still starting.")
    return services


def get_follower(request: Request) -> IndexFollower:
    follower = getattr(request.app.state, "follower", None)
    if not isinstance(follower, IndexFollower):
        raise NotReady("The service is still starting.")
    return follower


def get_eval_runner(request: Request) -> EvalRunner:
    runner = getattr(request.app.state, "eval_runner", None)
    if not isinstance(runner, EvalRunner):
        raise NotReady("The service is still starting.")
    return runner


AppServices = Annotated[Services, Depends(get_services)]
Follower = Annotated[IndexFollower, Depends(get_follower)]
EvalRuns = Annotated[EvalRunner, Depends(get_eval_runner)]


def get_read_session(services: AppServices) -> Iterator[Session]:
    """One consistent snapshot, never committed."""
    with services.sessions() as session:
        yield session


def get_write_session(services: AppServices) -> Iterator[Session]:
    """Commits when the endpoint returns, rolls back when it raises."""
    with services.sessions.begin() as session:
        yield session


def current_user(services: AppServices) -> Account:
    """Who is asking. Accounts come later and replace this function."""
    with services.sessions() as session:
        return local_account(session)


ReadSession = Annotated[Session, Depends(get_read_session, scope="function")]
WriteSession = Annotated[Session, Depends(get_write_session, scope="function")]
CurrentUser = Annotated[Account, Depends(current_user)]
