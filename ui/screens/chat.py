"""Ask: questions and cited answers. The service keeps conversations; the address names the current one."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui.client import ApiError, Client
from ui.live import answer_live, pending_answer
from ui.passage import open_citation
from ui.schemas import Answer
from ui.service import get_client
from ui.text import counted, escape_markdown, shortened
from ui.turn import question_bubble, show_answer
from ui.views import collection_filter, failures_shown

# Query parameter and session key: the address survives a reload, the session a change of page.
CONVERSATION = "conversation"


def page() -> None:
    """The conversation, the box to ask in, and what a clicked footnote opens."""
    client = get_client()
    conversation_id = current_conversation()
    messages = load_messages(client, conversation_id)
    question = st.chat_input("Ask your documents", key="question")
    if not messages and not question:
        welcome(client)
    show_messages(client, messages)
    with st.sidebar, failures_shown():
        collection_ids = collection_filter(client, key="ask-in")
        conversation_list(client, conversation_id)
    if question:
        with failures_shown():
            answer_live(client, question, conversation_id, collection_ids, on_started=remember)


def show_messages(client: Client, messages: Sequence[Answer]) -> None:
    """Every turn; opens the passage of the footnote that was clicked in this run."""
    for message in messages:
        question_bubble(message.question)
        if message.state == "pending":
            pending_answer(client, message)
            continue
        opened = show_answer(message)
        if opened is not None:
            open_citation(client, message.answer or "", message.citations[opened], message.sources)


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


def conversation_list(client: Client, current_id: int | None) -> None:
    """Earlier conversations, newest first, and a way to start or delete one."""
    st.button("New conversation", icon=":material/add:", width="stretch", on_click=start_new)
    conversations = client.conversations()
    if conversations:
        st.caption("Conversations")
    for each in conversations:
        st.button(
            escape_markdown(shortened(each.title, 60)),
            key=f"conversation-{each.id}",
            type="secondary" if each.id == current_id else "tertiary",
            width="stretch",
            on_click=remember,
            args=(each.id,),
        )
    if any(each.id == current_id for each in conversations):
        with st.popover("Delete this conversation", icon=":material/delete:", type="tertiary"):
            st.write("Questions, answers and footnotes are removed. Documents stay.")
            st.button("Delete", type="primary", on_click=delete_conversation, args=(client, current_id))


def delete_conversation(client: Client, conversation_id: int) -> None:
    """Deletes a conversation; one that is gone already is fine."""
    try:
        client.delete_conversation(conversation_id)
    except ApiError as error:
        if not error.not_found:
            raise
    start_new()


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
