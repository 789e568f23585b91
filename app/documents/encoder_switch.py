"""Changing a running process over to another encoder: the new services are whole before the old ones go."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy.orm import Session, sessionmaker

from app.db import Sessions
from app.documents import encoders
from app.documents.encoders import EncoderMismatch
from app.documents.index_sync import catch_up
from app.services import IngestModels, Services, open_index


def another_encoder(models: IngestModels, encoder_id: str, name: str) -> IngestModels:
    """Loads the encoder of these vectors; raises EncoderMismatch when its weights are not what is there."""
    if models.another is None or not name:
        raise EncoderMismatch(f"The vectors are {encoder_id}'s now; this process cannot change its encoder.")
    try:
        loaded = models.another(name)
    except LookupError as error:
        raise EncoderMismatch(f"The vectors are {encoder_id}'s now, which is not here: {error}.") from error
    if loaded.encoder_id != encoder_id:
        raise EncoderMismatch(f"The vectors are {encoder_id}'s now; {name!r} holds {loaded.encoder_id}.")
    return loaded


def changed_over(services: Services) -> Services | None:
    """Services with the active encoder and an index that has caught up; None when that is in use already.

    The old services stay usable: their vectors are kept for a while.
    """
    with services.sessions() as session:
        row = encoders.active(session)
    if row is None or row.id == services.models.ingest.encoder_id or not row.name:
        return None
    ingest = another_encoder(services.models.ingest, row.id, row.name)
    index = open_index(services.settings, ingest)
    try:
        with services.sessions() as session:
            catch_up(session, index, encoder_id=row.id)
    except BaseException:
        index.close()
        raise
    return replace(services, models=replace(services.models, ingest=ingest), index=index)


def active_models(sessions: sessionmaker[Session], models: IngestModels) -> IngestModels:
    """The same models, or those of the encoder that has become active meanwhile."""
    with sessions() as session:
        row = encoders.active(session)
    if row is None or row.id == models.encoder_id or not row.name:
        return models
    return another_encoder(models, row.id, row.name)


def remember(sessions: Sessions, models: IngestModels) -> None:
    """Notes the name under which this process loaded the active encoder, should it be new."""
    with sessions() as session:
        row = encoders.active(session)
    if row is not None and row.id == models.encoder_id and row.name != models.name and models.name:
        with sessions.begin() as session:
            encoders.remember_name(session, models.encoder_id, models.name)
