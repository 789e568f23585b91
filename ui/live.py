"""An answer while it is being written: sources first, then its words, and a way to stop it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ui.client import ApiError, Client
from ui.schemas import Answer, AskEvent, AskQuestion, AskSources, AskToken, Source
from ui.text import counted, escape_markdown, place
from ui.turn import FOOTNOTE, question_bubble, rewritten

REFRESH_S = 1.0  # how often an answer that another run started is looked at

OnStarted = Callable[[int], None]
"""Called with the conversation id as soon as the service has saved the question."""


def answer_live(
    client: Client,
    question: str,
    conversation_id: int | None,
    collection_ids: Sequence[int],
    on_started: OnStarted,
) -> None:
    """Asks, shows the answer as it arrives, then shows the page again from what the service stored."""
    question_bubble(question)
    with st.chat_message("assistant", avatar=FOOTNOTE):
        header, found = st.container(), st.empty()
        found.status("Searching your documents")
        events = client.ask(question, conversation_id=conversation_id, collection_ids=collection_ids)
        st.write_stream(words(client, events, header, found, on_started))
    st.rerun()


def words(
    client: Client,
    events: Iterable[AskEvent],
    header: DeltaGenerator,
    found: DeltaGenerator,
    on_started: OnStarted,
) -> Iterator[str]:
    """The words of the answer as safe Markdown; everything that comes before them goes to its place."""
    for event in events:
        if isinstance(event, AskToken):
            yield escape_markdown(event.text)
        elif isinstance(event, AskSources):
            show_sources(found, event.sources)
        elif isinstance(event, AskQuestion):
            on_started(event.conversation_id)
            with header:
                rewritten(event.question, event.standalone_question)
                stop_button(client, event.message_id)


def show_sources(found: DeltaGenerator, sources: Sequence[Source]) -> None:
    """What is about to be read, before the first word of the answer."""
    with found.expander(f"Found {counted(len(sources), 'passage')}", icon=":material/menu_book:"):
        for source in sources:
            st.markdown(f"**\\[{source.number}\\]** {escape_markdown(place(source.file_name, source.page))}")


def stop_button(client: Client, message_id: int) -> None:
    """Stops the writing of one answer; what is written so far is kept."""
    st.button(
        "Stop",
        key=f"stop-{message_id}",
        icon=":material/stop_circle:",
        type="tertiary",
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


def pending_answer(client: Client, message: Answer) -> None:
    """An answer that is being written without this page listening, as after a reload: shown until it ends."""

    @st.fragment(run_every=REFRESH_S)
    def watch() -> None:
        messages = client.conversation(message.conversation_id).messages
        now = next((each for each in messages if each.message_id == message.message_id), None)
        if now is None or now.state != "pending":
            st.rerun()
        with st.chat_message("assistant", avatar=FOOTNOTE):
            st.caption("Still writing")
            stop_button(client, message.message_id)

    watch()
