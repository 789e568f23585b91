"""An answer while it is being written: sources first, then its words, and a way to stop it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui.client import ApiError, Client
from ui.listening import batches
from ui.schemas import Answer, AskEvent, AskQuestion, AskSources, AskToken, Source
from ui.text import counted, escape_markdown, place
from ui.turn import FOOTNOTE, PERSON, rewritten

CURSOR = " ▍"

OnStarted = Callable[[int], None]
"""Called with the conversation id as soon as the service has saved the question."""


def answer_live(client: Client, question: str, events: Iterable[AskEvent], on_started: OnStarted) -> None:
    """Shows an answer as it arrives, then the page again from what the service stored."""
    with st.chat_message("user", avatar=PERSON):
        st.markdown(escape_markdown(question))
    follow(client, events, on_started)


def pending_answer(client: Client, message: Answer) -> None:
    """Listens again to an answer that this page did not start, or lost, as after a reload."""
    with st.chat_message("user", avatar=PERSON):
        st.markdown(escape_markdown(message.question))
    follow(client, client.listen(message.message_id), lambda _: None)


def follow(client: Client, events: Iterable[AskEvent], on_started: OnStarted) -> None:
    """Draws events until the last one. Whatever interrupts this, the service writes on."""
    with st.chat_message("assistant", avatar=FOOTNOTE):
        header, found = st.container(), st.empty()
        words = st.container(key="writing").empty()
        found.status("Searching your documents")
        text = ""
        for batch in batches(events):
            for event in batch:
                if isinstance(event, AskToken):
                    text += event.text
                elif isinstance(event, AskSources):
                    show_sources(found, event.sources)
                elif isinstance(event, AskQuestion):
                    on_started(event.conversation_id)
                    show_header(client, header, event)
            words.markdown(f"{escape_markdown(text)}{CURSOR}" if text else "")  # also lets a click through
    st.rerun()


def show_header(client: Client, header: DeltaGenerator, event: AskQuestion) -> None:
    """How the question was understood, and a way to stop."""
    with header:
        rewritten(event.question, event.standalone_question)
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
            raise
