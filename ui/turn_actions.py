"""What a person can do with a turn: ask it otherwise, ask it again, say what they think of the answer."""

from __future__ import annotations

import streamlit as st

from ui.asking import Asking
from ui.client import Client
from ui.links import link
from ui.schemas import Answer
from ui.text import counted
from ui.turn import rewritten

ASK_NEXT = "ask-next"  # session key: an `Asking` that the next run sends
EDITING = "editing"  # session key: the message whose question is being edited
RATINGS = ("down", "up")  # in the order of Streamlit's thumbs


def ask_next(asking: Asking) -> None:
    """Has the next run of the page ask this."""
    st.session_state[ASK_NEXT] = asking
    st.session_state.pop(EDITING, None)


def question_actions(message: Answer) -> None:
    """A way to edit the question."""
    st.button(
        "Edit",
        key=f"edit-{message.message_id}",
        icon=":material/edit:",
        type="tertiary",
        on_click=lambda: st.session_state.update({EDITING: message.message_id}),
    )


def edit_question(message: Answer, later: int) -> None:
    """The question as a form; sending it replaces the question and what followed."""
    with st.form(f"edit-form-{message.message_id}"):
        text = st.text_area("Your question", message.question, key=f"edited-{message.message_id}")
        if later:
            st.caption(f"{counted(later, 'later question')} will leave the conversation.")
        with st.container(horizontal=True):
            sent = st.form_submit_button("Ask", type="primary")
            left = st.form_submit_button("Cancel")
    if left:
        st.session_state.pop(EDITING, None)
        st.rerun()
    if sent and text.strip():
        ask_next(Asking(text.strip(), replaces=message.message_id))
        st.rerun()


def understood(message: Answer) -> None:
    """How a follow-up was understood, and a way to say it better."""
    if not rewritten(message.question, message.standalone_question):
        return
    key = f"rewrite-{message.message_id}"
    with st.popover("Correct this", icon=":material/edit:", type="tertiary", key=key), st.form(f"{key}-form"):
        words = st.text_area("What the question means", message.standalone_question or "", key=f"{key}-text")
        if st.form_submit_button("Ask with these words", type="primary") and words.strip():
            ask_next(Asking(message.question, replaces=message.message_id, standalone_question=words.strip()))
            st.rerun()


def answer_actions(client: Client, message: Answer) -> None:
    """Thumbs, a comment, and asking again."""
    with st.container(horizontal=True, vertical_alignment="center", key=f"actions-{message.message_id}"):
        if message.state in ("answered", "refused"):
            thumbs(client, message)
        st.button(
            "Ask again",
            key=f"again-{message.message_id}",
            icon=":material/refresh:",
            type="tertiary",
            on_click=ask_next,
            args=(Asking(message.question, replaces=message.message_id),),
        )
        link(
            "inspector",
            "Inspect",
            ":material/troubleshoot:",
            help_="Time, prompt, candidates and replay of this answer",
            message=str(message.message_id),
        )
        if message.refusal is not None and message.refusal.reason == "weak_evidence":
            st.button(
                "Answer anyway",
                key=f"anyway-{message.message_id}",
                icon=":material/play_arrow:",
                type="tertiary",
                help="Answers from the closest passages, although they are below the threshold.",
                on_click=ask_next,
                args=(
                    Asking(
                        message.question,
                        replaces=message.message_id,
                        standalone_question=message.standalone_question,
                        weak_evidence=True,
                    ),
                ),
            )
        if message.feedback is not None:
            comment_form(client, message)
            if message.feedback.rating == "down":
                eval_form(client, message)


def thumbs(client: Client, message: Answer) -> None:
    """Keeps the thumb as soon as it is clicked; a second click takes it back."""
    key = f"thumbs-{message.message_id}"
    kept = None if message.feedback is None else RATINGS.index(message.feedback.rating)

    def keep() -> None:
        chosen = st.session_state[key]
        comment = None if message.feedback is None else message.feedback.comment
        if chosen is None:
            client.unrate(message.message_id)
        else:
            client.rate(message.message_id, RATINGS[chosen], comment)

    st.feedback("thumbs", key=key, default=kept, on_change=keep)


def comment_form(client: Client, message: Answer) -> None:
    """Words to the thumb."""
    feedback = message.feedback
    if feedback is None:
        return
    key = f"comment-{message.message_id}"
    label = "Your comment" if feedback.comment else "Add a comment"
    with st.popover(label, icon=":material/comment:", type="tertiary", key=key), st.form(f"{key}-form"):
        words = st.text_area(
            "What is good or wrong?", feedback.comment or "", max_chars=5000, key=f"{key}-text"
        )
        if st.form_submit_button("Save", type="primary"):
            client.rate(message.message_id, feedback.rating, words.strip() or None)
            st.rerun()


def eval_form(client: Client, message: Answer) -> None:
    """A bad answer becomes a question of an eval set on one click; what would have been right may follow."""
    key = f"eval-{message.message_id}"
    added = f"{key}-added"  # session key: it is in the set
    if not st.session_state.get(added):
        if st.button("Add to an eval set", icon=":material/add_task:", type="tertiary", key=key):
            client.add_to_eval_set(message.message_id, None, None)
            st.session_state[added] = True
            st.toast("Added to the set “From feedback” on the Evals page, to be reviewed.")
            st.rerun()
        return
    with st.popover("In the eval set: say what is right", icon=":material/add_task:", type="tertiary"):
        with st.form(f"{key}-form", border=False):
            correction = st.text_input("The right answer, if you know it", key=f"{key}-text").strip()
            unanswerable = st.checkbox("The documents don't say", key=f"{key}-none")
            sent = st.form_submit_button("Save", type="primary", key=f"{key}-save")
        if sent:
            client.add_to_eval_set(message.message_id, correction or None, False if unanswerable else None)
            st.success("Kept. Runs over the set “From feedback” ask it from now on.")
