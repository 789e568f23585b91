"""An answer while it is being written: sources first, then its words, and a way to stop it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui.client import UNREACHABLE, ApiError, Client
from ui.listening import batches
from ui.schemas import Answer, AskEvent, AskQuestion, AskSources, AskToken, Source
from ui.text import counted, escape_markdown, place
from ui.turn import FOOTNOTE, PERSON, rewritten
from ui.views import show_failure

CURSOR = " ▍"
MOST_BELOW = 60  # blocks of a long conversation, and those of the welcome

OnStarted = Callable[[int], None]
"""Called with the conversation id as soon as the service has saved the question."""

Heard = Iterator[list[AskEvent]]
"""Batches of events that a thread receives, whether the page comes to take them or is interrupted before."""


def answer_live(client: Client, question: str, heard: Heard, on_started: OnStarted) -> None:
    """Shows an answer as it arrives, then the page again from what the service stored."""
    with st.chat_message("user", avatar=PERSON):
        st.markdown(escape_markdown(question))
    place = answer_place()
    clear_below()
    try:
        follow(client, heard, on_started, place)
    except ApiError as error:
        if error.failure.code == UNREACHABLE:
            lost(place, error)
            return
    st.rerun()  # also after a failure: the service has kept why


def pending_answer(client: Client, message: Answer) -> None:
    """Listens again to an answer that this page did not start, or lost, as after a reload."""
    with st.chat_message("user", avatar=PERSON):
        st.markdown(escape_markdown(message.question))
    place = answer_place()
    try:
        follow(client, batches(client.listen(message.message_id)), lambda _: None, place)
    except ApiError as error:
        lost(place, error)
        return
    st.rerun()


class Place(NamedTuple):
    """Where the parts of an answer in the making are drawn."""

    header: DeltaGenerator
    stop: DeltaGenerator
    found: DeltaGenerator
    words: DeltaGenerator


def answer_place() -> Place:
    """Draws the frame of an answer, from top to bottom."""
    with st.chat_message("assistant", avatar=FOOTNOTE):
        header, stop, found = st.container(), st.empty(), st.empty()
        return Place(header, stop, found, st.container(key="writing").empty())


def clear_below() -> None:
    """Takes away what the page showed here before: it would stand below the answer until that ends."""
    for _ in range(MOST_BELOW):
        st.empty()


def follow(client: Client, heard: Heard, on_started: OnStarted, place: Place) -> None:
    """Draws events until the last one. Whatever interrupts this, the service writes on. Raises ApiError."""
    place.found.status("Searching your documents")
    text = ""
    for batch in heard:
        for event in batch:
            if isinstance(event, AskToken):
                text += event.text
            elif isinstance(event, AskSources):
                show_sources(place.found, event.sources)
            elif isinstance(event, AskQuestion):
                on_started(event.conversation_id)
                show_header(client, place, event)
        # drawn without news, too: it lets a click through
        place.words.markdown(f"{escape_markdown(text)}{CURSOR}" if text else "")


def lost(place: Place, error: ApiError) -> None:
    """The answer cannot be heard any more: nothing to stop, but perhaps it is written all the same."""
    place.stop.empty()
    place.found.empty()
    with place.header:
        show_failure(error.failure)
        st.button("Look again", icon=":material/refresh:", key="look-again")


def show_header(client: Client, place: Place, event: AskQuestion) -> None:
    """How the question was understood, and a way to stop."""
    with place.header:
        rewritten(event.question, event.standalone_question)
    with place.stop:
        stop_button(client, event.message_id)


def show_sources(found: DeltaGenerator, sources: Sequence[Source]) -> None:
    """What is about to be read, before the first word of the answer."""
    with found.container(key="found"):
        st.caption(f"Found {counted(len(sources), 'passage')}")
        st.markdown(
            "\n".join(
                f"- **\\[{source.number}\\]** {escape_markdown(place(source.file_name, source.page))}"
                for source in sources
            )
        )


def stop_button(client: Client, message_id: int) -> None:
    """Stops the writing of one answer; what is written so far is kept."""
    st.button(
        "Stop",
        key=f"stop-{message_id}",
        icon=":material/stop_circle:",
        shortcut="Esc",
        on_click=stop_writing,
        args=(client, message_id),
    )


def stop_writing(client: Client, message_id: int) -> None:
    """Cancels; an answer that has ended meanwhile needs no cancelling."""
    try:
        client.cancel(message_id)
    except ApiError as error:
        if not error.not_found:
            show_failure(error.failure)  # as when another process of the service writes it
