"""Ask: questions and cited answers. The service keeps conversations; the address names the current one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import streamlit as st

from ui.asking import Asking
from ui.client import ApiError, Client
from ui.configuration import chosen_configuration, configuration_choice
from ui.conversation_menu import conversation_list
from ui.links import link
from ui.listening import batches
from ui.live import Heard, answer_live, pending_answer
from ui.passage import open_citation
from ui.schemas import Answer
from ui.service import get_client
from ui.text import counted
from ui.turn import FOOTNOTE, question_bubble, show_answer
from ui.turn_actions import (
    ASK_NEXT,
    EDITING,
    answer_actions,
    ask_next,
    edit_question,
    question_actions,
    understood,
)
from ui.views import chosen_collections, collection_filter, failures_shown, show_failure

# Query parameter and session key: the address survives a reload, the session a change of page.
CONVERSATION = "conversation"
COLLECTIONS = "ask-in"
CONFIGURATION = "ask-with"
TURNS_SHOWN = 20  # of a long conversation; each turn costs time whenever the page is drawn


def page() -> None:
    """The conversation, the box to ask in, and what a clicked footnote opens."""
    client = get_client()
    conversation_id = current_conversation()
    asking = asked(st.chat_input("Ask your documents", key="question"))
    messages = load_messages(client, conversation_id)  # before the new question is one of them
    heard = send(client, asking, conversation_id)  # then at once: the service works while this page is drawn
    with st.sidebar, failures_shown():
        collection_filter(client, key=COLLECTIONS)
        configuration_choice(client, key=CONFIGURATION)
        conversation_list(client, conversation_id, remember, start_new)
    if asking is None:
        show_messages(client, messages, follow=True)
        if not messages:
            welcome(client)
        return
    show_messages(client, before(messages, asking.replaces), follow=False)
    if isinstance(heard, ApiError):
        not_sent(asking, heard)
        return
    with failures_shown():
        answer_live(client, asking.question, heard, on_started=remember)


def asked(typed: str | None) -> Asking | None:
    """What to ask in this run: what was typed, or what a button of the last run wants asked."""
    wanted: Asking | None = st.session_state.pop(ASK_NEXT, None)
    collection_ids = tuple(chosen_collections(COLLECTIONS))
    configuration = chosen_configuration(CONFIGURATION)
    if typed:
        return Asking(typed, collection_ids, configuration=configuration)
    if wanted is None:
        return None
    return replace(wanted, collection_ids=collection_ids, configuration=configuration)


def send(client: Client, asking: Asking | None, conversation_id: int | None) -> Heard | ApiError:
    """The events of the answer, or why there are none."""
    if asking is None:
        return iter(())
    try:
        return batches(client.ask(asking, conversation_id=conversation_id))
    except ApiError as error:
        return error


def not_sent(asking: Asking, error: ApiError) -> None:
    """The question stays on the page with the reason, ready to be sent again."""
    question_bubble(asking.question)
    with st.chat_message("assistant", avatar=FOOTNOTE):
        show_failure(error.failure)
        st.button("Try again", icon=":material/refresh:", on_click=ask_next, args=(asking,), key="try-again")


def before(messages: Sequence[Answer], message_id: int | None) -> list[Answer]:
    """The turns that stay when one is replaced; all when none is."""
    return [each for each in messages if message_id is None or each.message_id < message_id]


def show_messages(client: Client, messages: Sequence[Answer], follow: bool) -> None:
    """The last turns; the first one that is being written is followed until its end."""
    hidden = len(messages) - TURNS_SHOWN
    if hidden > 0 and not st.toggle(f"Show {counted(hidden, 'earlier question')}", key="all-turns"):
        messages = messages[hidden:]
    for index, message in enumerate(messages):
        if message.state == "pending" and follow:
            with failures_shown():
                pending_answer(client, message)
        else:
            show_turn(client, message, later=len(messages) - index - 1)


def show_turn(client: Client, message: Answer, later: int) -> None:
    """Question and answer; opens the passage of the footnote that was clicked in this run."""
    if st.session_state.get(EDITING) == message.message_id:
        edit_question(message, later)
        return
    asked_key = f"asked-{message.message_id}"
    with st.container(key=asked_key):
        question_bubble(message.question)
        question_actions(message)
    with st.chat_message("assistant", avatar=FOOTNOTE):
        understood(message)
        opened = show_answer(message, key=str(message.message_id), reveal="" if later else asked_key)
        with failures_shown():
            answer_actions(client, message)
    if opened is not None:
        open_citation(client, message, opened)


def current_conversation() -> int | None:
    """The conversation that the address names, or the last one of this visit."""
    named = st.query_params.get(CONVERSATION, "")
    if named.isdecimal():
        remember(int(named))
    elif CONVERSATION in st.session_state:
        st.query_params[CONVERSATION] = str(st.session_state[CONVERSATION])
    current: int | None = st.session_state.get(CONVERSATION)
    return current


def remember(conversation_id: int) -> None:
    """Makes a conversation the current one."""
    st.session_state[CONVERSATION] = conversation_id
    st.query_params[CONVERSATION] = str(conversation_id)


def start_new() -> None:
    """Leaves the current conversation."""
    st.session_state.pop(CONVERSATION, None)
    st.query_params.pop(CONVERSATION, None)


def load_messages(client: Client, conversation_id: int | None) -> list[Answer]:
    """The turns of a conversation; one that is gone is left with a note."""
    if conversation_id is None:
        return []
    try:
        return client.conversation(conversation_id).messages
    except ApiError as error:
        if not error.not_found:
            raise
        start_new()
        st.info("This conversation has been deleted.")
        return []


def welcome(client: Client) -> None:
    """What to do first: it depends on whether there is something to ask about."""
    st.title("Ask your documents")
    st.markdown("Short answers, and every claim carries a footnote that opens the exact passage.")
    ready = client.documents(status="ready", limit=1).total
    if ready:
        st.caption(f"{counted(ready, 'document')} ready to be asked.")
        return
    waiting = client.documents(limit=1).total
    if waiting:
        st.info("Your documents are not ready yet. The Documents page shows how far they are.")
    else:
        st.info("There are no documents yet. Add some on the Documents page, then ask.")
        link("documents", "Add documents", ":material/upload_file:")
