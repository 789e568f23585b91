"""Expected failures: small classes that carry a status, a stable code, the cause and the next step."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class ErrorBody(BaseModel):
    """What every failed request returns."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "code": "document_not_found",
                    "stage": "request",
                    "cause": "There is no document 17.",
                    "next_step": "List documents with GET /v1/documents.",
                    "details": {},
                }
            ]
        }
    )

    code: str
    stage: str
    cause: str
    next_step: str
    details: dict[str, Any] = {}


class AppError(Exception):
    """Base of expected failures; subclasses fix `status_code`, `code` and the default next step."""

    status_code: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    stage: ClassVar[str] = "request"
    default_next_step: ClassVar[str] = "Try again; if it stays, read the server log."

    def __init__(self, cause: str, *, next_step: str | None = None, **details: Any) -> None:
        super().__init__(cause)
        self.cause = cause
        self.next_step = next_step or self.default_next_step
        self.details = details

    def body(self) -> ErrorBody:
        """The response body."""
        return ErrorBody(
            code=self.code, stage=self.stage, cause=self.cause, next_step=self.next_step, details=self.details
        )


class InternalError(AppError):
    """Something unexpected; the log has the details, the reader gets none of them."""


class ConfigurationError(AppError):
    code = "configuration_invalid"
    stage = "start"


class HostNotAllowed(AppError):
    """The API was called by a name that is not allowed."""

    status_code = 403
    code = "host_not_allowed"
    default_next_step = "Call it by its IP address or localhost, or add the name to FOOTNOTE_ALLOWED_HOSTS."


class CrossSiteRequest(AppError):
    """The page of another site sent this."""

    status_code = 403
    code = "cross_site_request"
    default_next_step = "Use the interface or a program: pages of other sites may change nothing."


class NotFound(AppError):
    status_code = 404
    code = "not_found"
    default_next_step = "Check the id."


class DocumentNotFound(NotFound):
    code = "document_not_found"
    default_next_step = "List documents with GET /v1/documents."


class CollectionNotFound(NotFound):
    code = "collection_not_found"
    default_next_step = "List collections with GET /v1/collections."


class ConversationNotFound(NotFound):
    code = "conversation_not_found"
    default_next_step = "List conversations with GET /v1/conversations."


class ShareNotFound(NotFound):
    code = "share_not_found"
    default_next_step = "Ask whoever sent the link for a new one."


class JobNotFound(NotFound):
    code = "job_not_found"


class EvalRunNotFound(NotFound):
    code = "eval_run_not_found"
    default_next_step = "List runs with GET /v1/evals."


class PageImageUnavailable(NotFound):
    code = "page_image_unavailable"
    default_next_step = "Read the page's text instead; only PDF pages have images."


class InvalidRequest(AppError):
    status_code = 422
    code = "request_invalid"
    default_next_step = "Correct the named field."


class QuestionTooLong(AppError):
    status_code = 413
    code = "question_too_long"
    default_next_step = "Shorten the question."


class UploadTooLarge(AppError):
    status_code = 413
    code = "file_too_large"
    stage = "stored"
    default_next_step = "Split the file or raise FOOTNOTE_MAX_UPLOAD_BYTES."


class Conflict(AppError):
    status_code = 409
    code = "conflict"


class WrittenElsewhere(Conflict):
    """Another process writes this answer."""

    code = "written_elsewhere"
    default_next_step = "Stop it at the API process that was asked, or wait for the answer."


class Overloaded(AppError):
    status_code = 429
    code = "overloaded"
    default_next_step = "Wait a few seconds and ask again."


class IndexDamaged(AppError):
    status_code = 503
    code = "index_damaged"
    stage = "index"
    default_next_step = "Ask again in a moment: the service rebuilds the index from the database by itself."


class NotReady(AppError):
    status_code = 503
    code = "not_ready"
    stage = "start"
    default_next_step = "Wait until GET /readyz answers 200."
