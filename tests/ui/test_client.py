"""The client against the fake API: typed answers, and failures that say what to do."""

from __future__ import annotations

from io import BytesIO

import httpx
import pytest

from ui.asking import Asking
from ui.client import ApiError, Client
from ui.schemas import AskDone, AskQuestion, AskSources, AskToken


def ask(client: Client, question: str, conversation_id: int | None = None):
    return list(client.ask(Asking(question), conversation_id=conversation_id))


def test_an_unknown_document_is_an_error_with_code_and_next_step(client):
    with pytest.raises(ApiError) as caught:
        client.delete_document(404)

    assert caught.value.not_found
    assert caught.value.failure.code == "document_not_found"
    assert caught.value.failure.next_step == "Check the id."


def test_a_service_that_is_not_there_names_its_address_and_how_to_start_it():
    client = Client("http://127.0.0.1:9")
    with pytest.raises(ApiError) as caught:
        client.collections()
    client.close()

    assert caught.value.failure.code == "api_unreachable"
    assert "http://127.0.0.1:9" in caught.value.failure.cause
    assert "footnote up" in caught.value.failure.next_step


def test_an_answer_that_is_not_an_error_body_still_becomes_an_error():
    client = Client("http://api.example", httpx.MockTransport(lambda _: httpx.Response(502, text="<html>")))
    with pytest.raises(ApiError) as caught:
        client.collections()
    client.close()

    assert "502" in caught.value.failure.cause


def test_upload_list_and_delete(client):
    outcome = client.upload("a.pdf", BytesIO(b"%PDF"), 1)
    assert (outcome.status, outcome.file_name) == ("queued", "a.pdf")
    assert client.upload("a.pdf", BytesIO(b"%PDF"), 1).status == "duplicate"
    assert client.upload("b.txt", BytesIO(b""), 1).error.code == "file_empty"

    assert [each.file_name for each in client.documents(1).items] == ["a.pdf"]
    client.delete_document(outcome.document_id)
    assert client.documents(1).total == 0


def test_an_answer_arrives_as_question_sources_tokens_and_the_stored_answer(client):
    events = ask(client, "How many days of leave?")

    assert isinstance(events[0], AskQuestion)
    assert isinstance(events[1], AskSources)
    assert isinstance(events[-1], AskDone)
    said = "".join(each.text for each in events if isinstance(each, AskToken))
    assert said.strip() == events[-1].answer
    assert [each.number for each in events[-1].citations] == [1, 1, 2]
    assert client.conversation(events[0].conversation_id).messages[0].state == "answered"


def test_an_error_event_raises_and_so_does_a_refused_question(client):
    with pytest.raises(ApiError, match="Too many questions"):
        ask(client, "fail")
    with pytest.raises(ApiError, match="300 tokens") as caught:
        ask(client, "too long")
    assert caught.value.status_code == 413


def test_a_word_may_hold_characters_that_end_lines_elsewhere():
    told = 'event: token\ndata: {"text": "one\u2028two\x85three"}\n\n'
    headers = {"content-type": "text/event-stream"}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text=told, headers=headers))
    client = Client("http://api.example", transport)
    [token] = ask(client, "leave")
    client.close()

    assert token.text == "one\u2028two\x85three"


def test_a_follow_up_stays_in_its_conversation(client):
    first = ask(client, "leave")[0]
    second = ask(client, "weather", first.conversation_id)[0]

    assert second.conversation_id == first.conversation_id
    assert len(client.conversation(first.conversation_id).messages) == 2


def test_page_images_exist_for_pdf_documents_only(client, state):
    pdf, page = state.add_document("a.pdf", 1, 1), state.add_document("a.html", 1, 1)

    assert client.page_image(pdf, 2, 0, 10).startswith(b"\x89PNG")
    with pytest.raises(ApiError) as caught:
        client.page_image(page, 1, 0, 10)
    assert caught.value.failure.code == "page_image_unavailable"
