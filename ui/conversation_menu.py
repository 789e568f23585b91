"""The sidebar of the chat: conversations to find and open, and what can be done with the current one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from ui.client import ApiError, Client
from ui.schemas import ConversationSummary
from ui.text import escape_markdown, shortened
from ui.views import failures_shown

Open = Callable[[int], None]
Leave = Callable[[], None]


def conversation_list(client: Client, current_id: int | None, open_: Open, leave: Leave) -> None:
    """A new conversation, a search, earlier ones, the current one's menu."""
    st.button("New conversation", icon=":material/add:", width="stretch", on_click=leave)
    words = st.text_input(
        "Search conversations", placeholder="Search conversations", label_visibility="collapsed", key="find"
    ).strip()
    conversations = client.conversations(words)
    current = next((each for each in conversations if each.id == current_id), None)
    if current is not None:
        menu(client, current, leave)
    if words and not conversations:
        st.caption("No conversation holds these words.")
    for each in conversations:
        entry(each, each.id == current_id, open_)


def entry(conversation: ConversationSummary, is_current: bool, open_: Open) -> None:
    """One conversation to open; below it where the searched words stand."""
    st.button(
        escape_markdown(shortened(conversation.title, 60)),
        key=f"conversation-{conversation.id}",
        type="secondary" if is_current else "tertiary",
        width="stretch",
        on_click=open_,
        args=(conversation.id,),
    )
    if conversation.excerpt:
        st.caption(escape_markdown(conversation.excerpt))


def menu(client: Client, current: ConversationSummary, leave: Leave) -> None:
    """Rename, export, share, delete."""
    with st.popover("This conversation", icon=":material/more_horiz:", width="stretch"), failures_shown():
        rename(client, current)
        export(client, current)
        share(client, current)
        if st.button("Delete", icon=":material/delete:", key="delete-conversation", width="stretch"):
            confirm_deletion(client, current, leave)


def rename(client: Client, current: ConversationSummary) -> None:
    with st.form("rename", border=False):
        title = st.text_input("Title", current.title, max_chars=200, key=f"title-{current.id}").strip()
        if st.form_submit_button("Rename") and title:
            client.rename_conversation(current.id, title)
            st.rerun()


def export(client: Client, current: ConversationSummary) -> None:
    """Two files; they are made when they are asked for."""
    st.caption("Export with footnotes")
    with st.container(horizontal=True):
        for label, format_, suffix in (("Markdown", "markdown", "md"), ("JSON", "json", "json")):
            st.download_button(
                label,
                data=partial(client.export_conversation, current.id, format_),
                file_name=f"conversation-{current.id}.{suffix}",
                key=f"export-{suffix}",
                icon=":material/download:",
                on_click="ignore",
            )


def share(client: Client, current: ConversationSummary) -> None:
    """The link, if there is one; making, renewing and revoking it."""
    link = client.find_share(current.id)
    if link is None:
        st.caption("A link lets anyone who has it read the answers, their footnotes and the cited passages.")
        if st.button("Share by link", icon=":material/link:", key="share", width="stretch"):
            client.share(current.id)
            st.rerun()
        return
    st.caption("Whoever has this link can read the conversation as it was when you shared it.")
    st.code(shared_address(link.token), language=None, wrap_lines=True)
    with st.container(horizontal=True):
        if st.button("Add later answers", key="share-more"):
            client.share(current.id)
            st.toast("The link shows the whole conversation now.")
        if st.button("Revoke", icon=":material/link_off:", key="revoke"):
            client.revoke_share(current.id)
            st.rerun()


def shared_address(token: str) -> str:
    """The address that shows a shared conversation."""
    here = (st.context.url or "").split("?")[0].removesuffix("/ask").rstrip("/")
    return f"{here}/?shared={token}"


@st.dialog("Delete this conversation?")
def confirm_deletion(client: Client, current: ConversationSummary, leave: Leave) -> None:
    """A second click, because nothing brings it back."""
    st.write("Questions, answers, footnotes and its link are removed. Documents stay.")
    if st.button(
        "Delete it",
        type="primary",
        key="really-delete-conversation",
        on_click=delete_conversation,
        args=(client, current.id, leave),
    ):
        st.rerun()


def delete_conversation(client: Client, conversation_id: int, leave: Leave) -> None:
    """Deletes and leaves a conversation; one that is gone already is fine."""
    try:
        client.delete_conversation(conversation_id)
    except ApiError as error:
        if not error.not_found:
            raise
    leave()
