"""A conversation that somebody shared by a link: to read, without the rest of the application."""

from __future__ import annotations

import streamlit as st

from ui.client import ApiError
from ui.passage import open_shared_citation
from ui.service import get_client
from ui.text import escape_markdown
from ui.turn import FOOTNOTE, question_bubble, rewritten, show_answer

SHARED = "shared"  # query parameter: the token of the link


def page() -> None:
    """The turns that the link shows, and what a clicked footnote quotes."""
    try:
        conversation = get_client().shared(st.query_params.get(SHARED, ""))
    except ApiError as error:
        if not error.not_found:
            raise
        st.title("Nothing is shared here")
        st.markdown(f"{error.failure.cause} {error.failure.next_step}")
        return
    st.title(escape_markdown(conversation.title))
    st.caption("A conversation shared with Footnote. Every number opens the passage that it rests on.")
    for index, message in enumerate(conversation.messages):
        question_bubble(message.question)
        with st.chat_message("assistant", avatar=FOOTNOTE):
            rewritten(message.question, message.standalone_question)
            opened = show_answer(message, key=f"shared-{index}")
        if opened is not None:
            open_shared_citation(message, opened)
