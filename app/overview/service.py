"""What this service runs with: its networks, its settings, and how fast it answered lately."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from sqlalchemy import make_url, select
from sqlalchemy.orm import Session

from app.overview.schemas import ModelOut, Overview, SettingOut, StageTime
from app.services import Services
from app.settings import PREFIX, Settings
from app.tables import Message

LAST_ANSWERS = 100
STAGES = ("rewrite", "search", "rerank", "pack", "first_token", "generate", "check", "total")


def overview(services: Services, session: Session, owner_id: int, version: str) -> Overview:
    """Networks, settings, and the times of the owner's last answers."""
    return Overview(
        version=version,
        models=[ModelOut.model_validate(card) for card in services.models.cards()],
        settings=settings_in_force(services.settings),
        speed=speed(last_timings(session, owner_id)),
    )


def settings_in_force(settings: Settings) -> list[SettingOut]:
    """Every setting with its variable; the password of the database URL is masked."""
    values = settings.model_dump(mode="json")
    if values["database_url"]:
        values["database_url"] = make_url(values["database_url"]).render_as_string(hide_password=True)
    return [
        SettingOut(
            name=name,
            variable=PREFIX + name.upper(),
            value=values[name],
            default=_plain(field.default),
            description=field.description or "",
        )
        for name, field in Settings.model_fields.items()
    ]


def _plain(default: Any) -> str | float | int | bool | None:
    return default if default is None or isinstance(default, (int, float)) else str(default)


def last_timings(session: Session, owner_id: int) -> list[dict[str, float]]:
    """Milliseconds by step, of the last finished answers."""
    statement = (
        select(Message.trace)
        .where(Message.owner_id == owner_id, Message.state == "answered")
        .order_by(Message.id.desc())
        .limit(LAST_ANSWERS)
    )
    return [trace["timings_ms"] for trace in session.scalars(statement) if trace and "timings_ms" in trace]


def speed(timings: list[dict[str, float]]) -> list[StageTime]:
    """Median and 95th percentile of each step that was timed."""
    by_stage = defaultdict[str, list[float]](list)
    for timing in timings:
        for stage, ms in timing.items():
            by_stage[stage].append(ms)
    return [
        StageTime(
            stage=stage,
            median_ms=float(np.median(by_stage[stage])),
            p95_ms=float(np.percentile(by_stage[stage], 95)),
            answers=len(by_stage[stage]),
        )
        for stage in STAGES
        if by_stage[stage]
    ]
