"""`/v1/documents/{id}/passages`: what became of a document's text."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from app.dependencies import CurrentUser, ReadSession
from app.documents import passages
from app.documents.passage_schemas import PassageList, PassageQuery
from app.error_responses import error_responses
from app.errors import DocumentNotFound
from app.schemas import RowId

router = APIRouter(prefix="/v1/documents", tags=["documents"])


@router.get("/{document_id}/passages", responses=error_responses(DocumentNotFound))
def list_passages(
    document_id: RowId, query: Annotated[PassageQuery, Query()], session: ReadSession, user: CurrentUser
) -> PassageList:
    """The passages of the version that answers, in the order of the text, each with its page and place."""
    return passages.list_passages(session, user, document_id, query)
