"""The service's HTTP API as typed methods; every failure becomes an ApiError with its cause and next step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import IO, Any, Literal, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from ui.asking import Asking
from ui.evals_api import Evals
from ui.schemas import (
    Answer,
    AskCitations,
    AskDone,
    AskEvent,
    AskQuestion,
    AskSources,
    AskToken,
    Collection,
    Conversation,
    ConversationSummary,
    Document,
    DocumentList,
    DocumentVersion,
    Failure,
    Known,
    PassageList,
    Read,
    SearchResult,
    Share,
    SharedConversation,
    Upload,
)
from ui.service_schemas import Configurations, Gate, Overview
from ui.sites_api import Sites
from ui.sse import parse_events, split_lines
from ui.traces import Influences, InspectionProgress, ReplayResult, Trace

UNREACHABLE = "api_unreachable"  # the code of a failure that no service reported
OnExisting = Literal["skip", "replace", "keep_both"]
Model = TypeVar("Model", bound=Read)

TIMEOUT = httpx.Timeout(60.0, connect=5.0)
SLOW_TIMEOUT = httpx.Timeout(600.0, connect=5.0)  # uploads, and the silence before an answer's first token

ASK_EVENTS: dict[str, type[AskEvent]] = {
    "question": AskQuestion,
    "sources": AskSources,
    "token": AskToken,
    "citations": AskCitations,
    "done": AskDone,
}


class ApiError(Exception):
    """A request that failed; `failure` is fit to be shown."""

    def __init__(self, failure: Failure, status_code: int | None = None) -> None:
        super().__init__(failure.cause)
        self.failure = failure
        self.status_code = status_code

    @property
    def not_found(self) -> bool:
        """True when what was asked for does not exist (any more)."""
        return self.status_code == httpx.codes.NOT_FOUND


class Client:
    """One service. Thread safe: Streamlit runs each visitor's script in its own thread."""

    def __init__(self, base_url: str, transport: httpx.BaseTransport | None = None) -> None:
        self.base_url = base_url
        # trust_env off: a proxy variable must not carry requests to this machine somewhere else.
        self._http = httpx.Client(base_url=base_url, timeout=TIMEOUT, trust_env=False, transport=transport)
        self.evals = Evals(self._send)
        self.sites = Sites(self._send)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    # Collections and documents

    def collections(self) -> list[Collection]:
        return self._items("/v1/collections", Collection)

    def create_collection(self, name: str) -> Collection:
        return Collection.model_validate_json(
            self._send("POST", "/v1/collections", json={"name": name}).content
        )

    def delete_collection(self, collection_id: int) -> None:
        """With all its documents."""
        self._send("DELETE", f"/v1/collections/{collection_id}")

    def documents(
        self, collection_id: int | None = None, *, status: str | None = None, limit: int = 50, offset: int = 0
    ) -> DocumentList:
        params = present(collection_id=collection_id, status=status, limit=limit, offset=offset)
        return DocumentList.model_validate_json(self._send("GET", "/v1/documents", params=params).content)

    def document(self, document_id: int) -> Document:
        return Document.model_validate_json(self._send("GET", f"/v1/documents/{document_id}").content)

    def check_files(self, files: Sequence[tuple[str, str]], collection_id: int) -> list[Known]:
        """What the collection has of each (file name, SHA-256), in their order."""
        named = [{"file_name": name, "sha256": digest} for name, digest in files]
        body = {"collection_id": collection_id, "files": named}
        response = self._send("POST", "/v1/documents/check", json=body)
        return TypeAdapter(list[Known]).validate_python(response.json()["files"])

    def versions(self, document_id: int) -> list[DocumentVersion]:
        """Newest first."""
        return self._items(f"/v1/documents/{document_id}/versions", DocumentVersion)

    def drop_version(self, document_id: int) -> None:
        """Gives up the version that is not ready; the one that answers stays."""
        self._send("DELETE", f"/v1/documents/{document_id}/versions/pending")

    def upload(
        self,
        file_name: str,
        stream: IO[bytes],
        collection_id: int | None,
        *,
        on_existing: OnExisting = "skip",
        document_id: int | None = None,
    ) -> Upload:
        """Sends one file; a refused file raises ApiError or comes back with status "rejected"."""
        fields = present(collection_id=collection_id, document_id=document_id, on_existing=on_existing)
        response = self._send(
            "POST",
            "/v1/documents",
            files=[("files", (file_name, stream))],
            data={name: str(value) for name, value in fields.items()},
            timeout=SLOW_TIMEOUT,
        )
        return TypeAdapter(list[Upload]).validate_python(response.json()["documents"])[0]

    def delete_document(self, document_id: int) -> None:
        self._send("DELETE", f"/v1/documents/{document_id}")

    def retry_document(self, document_id: int, password: str | None = None) -> None:
        """Queues a failed document again, a protected PDF with its password."""
        body = None if password is None else {"password": password}
        self._send("POST", f"/v1/documents/{document_id}/retry", json=body)

    def cancel_document(self, document_id: int) -> None:
        """Stops its reading, whether it waits or runs."""
        self._send("POST", f"/v1/documents/{document_id}/cancel")

    def document_file(self, document_id: int) -> bytes:
        """The original bytes."""
        return self._send("GET", f"/v1/documents/{document_id}/file").content

    def passages(self, document_id: int, **part: int | None) -> PassageList:
        """`page`, `limit`, `offset`: those of one page, or a part of all, in the order of the text."""
        path = f"/v1/documents/{document_id}/passages"
        return PassageList.model_validate_json(self._send("GET", path, params=present(**part)).content)

    def page_image(
        self,
        document_id: int,
        page: int,
        start: int,
        end: int,
        *,
        version: int | None = None,
        scale: float = 2.0,
    ) -> bytes:
        """PNG of a PDF page on which the characters start..end of a version are marked."""
        path = f"/v1/documents/{document_id}/pages/{page}/image"
        params = present(start=start, end=end, version=version, scale=scale)
        return self._send("GET", path, params=params).content

    # Questions

    def search(
        self, question: str, collection_ids: Sequence[int], config: dict[str, float] | None = None
    ) -> SearchResult:
        body = {"question": question, **scope(collection_ids), "config": config or {}}
        return SearchResult.model_validate_json(self._send("POST", "/v1/search", json=body).content)

    def configurations(self) -> Configurations:
        return Configurations.model_validate_json(self._send("GET", "/v1/configurations").content)

    def save_configuration(self, name: str, config: dict[str, float]) -> None:
        self._send("POST", "/v1/configurations", json={"name": name, "config": config})

    def adopt_configuration(self, configuration_id: int, baseline_run_id: int, candidate_run_id: int) -> None:
        """Puts a configuration in force on the comparison of two runs."""
        body = {"baseline_run_id": baseline_run_id, "candidate_run_id": candidate_run_id}
        self._send("POST", f"/v1/configurations/{configuration_id}/adopt", json=body)

    def leave_configuration(self) -> None:
        """Back to the configuration of the settings."""
        self._send("POST", "/v1/configurations/leave")

    def overview(self) -> Overview:
        """Models, settings and speed of the service."""
        return Overview.model_validate_json(self._send("GET", "/v1/overview").content)

    def gate(self, collection_id: int) -> Gate:
        response = self._send("GET", f"/v1/collections/{collection_id}/gate")
        return Gate.model_validate_json(response.content)

    def set_gate(self, collection_id: int, threshold: float | None, min_sureness: float | None) -> None:
        """The collection's own level, or the defaults again."""
        body = {"threshold": threshold, "min_sureness": min_sureness}
        self._send("PUT", f"/v1/collections/{collection_id}/gate", json=body)

    def calibrate(self, collection_id: int, eval_set_id: int, wanted_false_answers: float) -> None:
        """Queues a run that measures every level on the questions of a set."""
        body = {"eval_set_id": eval_set_id, "wanted_false_answers": wanted_false_answers}
        self._send("POST", f"/v1/collections/{collection_id}/gate/calibrations", json=body)

    def ask(self, asking: Asking, *, conversation_id: int | None) -> Iterator[AskEvent]:
        """Sends the question at once; then its events as they arrive, `AskDone` last.

        An `error` event, or a question that the service refuses, raises ApiError.
        """
        body = {"question": asking.question, "stream": True, **scope(asking.collection_ids)}
        body |= present(
            conversation_id=conversation_id,
            replaces_message_id=asking.replaces,
            standalone_question=asking.standalone_question,
            configuration=asking.configuration,
            weak_evidence="answer" if asking.weak_evidence else None,
        )
        return self._events("POST", "/v1/ask", json=body)

    def listen(self, message_id: int) -> Iterator[AskEvent]:
        """The events of an answer that is being written, from its beginning; like `ask`."""
        return self._events("GET", f"/v1/messages/{message_id}/events")

    def message(self, message_id: int) -> Answer:
        """One answer, a replaced one as well."""
        return Answer.model_validate_json(self._send("GET", f"/v1/messages/{message_id}").content)

    def rate(self, message_id: int, rating: str, comment: str | None = None) -> None:
        """Keeps a thumb, `up` or `down`, and a comment."""
        self._send("PUT", f"/v1/messages/{message_id}/feedback", json={"rating": rating, "comment": comment})

    def add_to_eval_set(self, message_id: int, correction: str | None, answerable: bool | None) -> None:
        """Makes the question one of the eval set `From feedback`."""
        body = {"message_id": message_id, **present(correction=correction, answerable=answerable)}
        self._send("POST", "/v1/eval-cases/from-message", json=body)

    def unrate(self, message_id: int) -> None:
        self._send("DELETE", f"/v1/messages/{message_id}/feedback")

    def cancel(self, message_id: int) -> None:
        """Asks the service to stop writing an answer."""
        self._send("POST", f"/v1/messages/{message_id}/cancel")

    def conversations(self, search: str = "") -> list[ConversationSummary]:
        """Latest first; with words to search for, those that hold them."""
        return self._items("/v1/conversations", ConversationSummary, params={"search": search})

    # How an answer came about

    def latest_answers(self, limit: int) -> list[Answer]:
        response = self._send("GET", "/v1/messages", params={"limit": limit})
        return [Answer.model_validate(item) for item in response.json()["items"]]

    def trace(self, message_id: int) -> Trace:
        return Trace.model_validate_json(self._send("GET", f"/v1/messages/{message_id}/trace").content)

    def replay(self, message_id: int) -> Iterator[InspectionProgress | ReplayResult]:
        """Writes the answer again: how far it is, at last what came of it."""
        done: dict[str, type[Read]] = {"progress": InspectionProgress, "done": ReplayResult}
        return self._events("POST", f"/v1/messages/{message_id}/replay", done, params={"stream": True})

    def influence(self, message_id: int) -> Iterator[InspectionProgress | Influences]:
        """Weighs the passages of an answer, a reading of the prompt for each: how far it is, at last all."""
        done: dict[str, type[Read]] = {"progress": InspectionProgress, "done": Influences}
        return self._events("POST", f"/v1/messages/{message_id}/influence", done, params={"stream": True})

    def cancel_inspection(self, message_id: int) -> None:
        """Stops a replay or a weighing."""
        self._send("POST", f"/v1/messages/{message_id}/inspection/cancel")

    def conversation(self, conversation_id: int) -> Conversation:
        return Conversation.model_validate_json(
            self._send("GET", f"/v1/conversations/{conversation_id}").content
        )

    def delete_conversation(self, conversation_id: int) -> None:
        self._send("DELETE", f"/v1/conversations/{conversation_id}")

    def rename_conversation(self, conversation_id: int, title: str) -> None:
        self._send("PATCH", f"/v1/conversations/{conversation_id}", json={"title": title})

    def export_conversation(self, conversation_id: int, format_: str) -> bytes:
        """The conversation as a `markdown` or `json` file."""
        path = f"/v1/conversations/{conversation_id}/export"
        return self._send("GET", path, params={"format": format_}).content

    # Links

    def share(self, conversation_id: int) -> Share:
        """The link of a conversation, made or brought up to its last answer."""
        response = self._send("POST", f"/v1/conversations/{conversation_id}/share")
        return Share.model_validate_json(response.content)

    def find_share(self, conversation_id: int) -> Share | None:
        """The link that there is."""
        try:
            response = self._send("GET", f"/v1/conversations/{conversation_id}/share")
        except ApiError as error:
            if not error.not_found:
                raise
            return None
        return Share.model_validate_json(response.content)

    def revoke_share(self, conversation_id: int) -> None:
        self._send("DELETE", f"/v1/conversations/{conversation_id}/share")

    def shared(self, token: str) -> SharedConversation:
        """What a link shows."""
        return SharedConversation.model_validate_json(self._send("GET", f"/v1/shared/{token}").content)

    def _events(
        self, method: str, path: str, models: Mapping[str, type[Read]] = ASK_EVENTS, **options: Any
    ) -> Iterator[Any]:
        """Events of the names in `models`, each as its model.

        Sends the request before it returns, so that the service works while the page is drawn. The connection
        is given back at the end of the events: whoever might not take them has a thread do so (`listening`).
        """
        request = self._http.build_request(method, path, timeout=SLOW_TIMEOUT, **options)
        with reachable(self.base_url):
            response = self._http.send(request, stream=True)
            if response.is_error:
                response.read()
                raise error_of(response)
        return self._received(response, models)

    def _received(self, response: httpx.Response, models: Mapping[str, type[Read]]) -> Iterator[Any]:
        with reachable(self.base_url), closing(response):
            for event in parse_events(split_lines(response.iter_text())):
                if event.name == "error":
                    raise ApiError(Failure.model_validate_json(event.data))
                if event.name in models:
                    yield models[event.name].model_validate_json(event.data)

    def _items(self, path: str, model: type[Model], **options: Any) -> list[Model]:
        return [model.model_validate(item) for item in self._send("GET", path, **options).json()["items"]]

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        with reachable(self.base_url):
            response = self._http.request(method, path, **options)
        if response.is_error:
            raise error_of(response)
        return response


@contextmanager
def reachable(base_url: str) -> Iterator[None]:
    """Turns a lost or refused connection into an ApiError that says where the service was looked for."""
    try:
        yield
    except httpx.TransportError as error:
        cause = f"The service at {base_url} does not answer ({type(error).__name__})."
        next_step = "Start it with `footnote up`, or set FOOTNOTE_API_URL to where it runs."
        raise ApiError(Failure(code=UNREACHABLE, cause=cause, next_step=next_step)) from error


def error_of(response: httpx.Response) -> ApiError:
    """The error body of the service, or a description of an answer that is not one of its own."""
    try:
        failure = Failure.model_validate_json(response.content)
    except ValidationError:
        cause = f"The service answered {response.status_code} without saying why."
        failure = Failure(code="internal_error", cause=cause, next_step="Read the log of the service.")
    return ApiError(failure, response.status_code)


def present(**values: Any) -> dict[str, Any]:
    """The values that are set: the service refuses explicit nulls where a field is optional."""
    return {name: value for name, value in values.items() if value is not None}


def scope(collection_ids: Sequence[int]) -> dict[str, Any]:
    """The request's collections; none chosen means all."""
    return {"collection_ids": list(collection_ids)} if collection_ids else {}
