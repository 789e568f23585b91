"""`/v1/overview`: models, settings and speed, for the Settings page."""

from __future__ import annotations

from fastapi import APIRouter, Request

from app.dependencies import AppServices, CurrentUser, ReadSession
from app.overview import service
from app.overview.schemas import Overview

router = APIRouter(prefix="/v1/overview", tags=["operations"])


@router.get("")
def read(request: Request, services: AppServices, session: ReadSession, user: CurrentUser) -> Overview:
    """What this service runs with. Settings are changed by their variable and a new start."""
    return service.overview(services, session, user.id, request.app.version)
