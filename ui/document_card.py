"""One document: how far it is, what was noticed while reading it, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import streamlit as st

from ui.client import ApiError, Client
from ui.document_passages import passages_button
from ui.progress import show_last_try, show_progress
from ui.quality import show_report
from ui.schemas import Document
from ui.text import counted, escape_markdown, file_size
from ui.version_notes import show_version, versions_button
from ui.views import failed_where, show_failure

STATUS_BADGES = {
    "queued": ("Waiting", ":material/schedule:", "gray"),
    "processing": ("Being read", ":material/hourglass_top:", "blue"),
    "ready": ("Ready", ":material/check:", "green"),
    "failed": ("Failed", ":material/error:", "red"),
}
ASKS_PASSWORD = frozenset({"file_encrypted", "password_wrong"})
STOPPED = ("Stopped", ":material/stop_circle:", "orange")


def show_document(client: Client, document: Document) -> None:
    """The document as a card."""
    with st.container(border=True, key=f"document-{document.id}"):
        headline(document)
        show_version(client, document)
        if document.status == "processing":
            show_progress(document.progress)
        if document.status in ("queued", "processing"):
            show_last_try(document.progress)
        if is_stopped(document):
            st.caption("You stopped the reading of this file. Retry it, or delete it.")
        elif document.error is not None:
            show_failure(document.error)
            st.caption(failed_where(document.error))
            ask_password(client, document)
        with st.container(horizontal=True):
            passages_button(document)
            actions(client, document)
            versions_button(client, document)
        if document.status == "ready":
            show_report(document)


def headline(document: Document) -> None:
    """Name, status and size."""
    label, icon, color = STOPPED if is_stopped(document) else STATUS_BADGES[document.status]
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"**{escape_markdown(document.file_name)}**")
        st.badge(label, icon=icon, color=color)  # type: ignore[arg-type]
    st.caption(" · ".join(facts(document)))


def ask_password(client: Client, document: Document) -> None:
    """A field for the password of a protected PDF; other protected files cannot be opened by one."""
    failed = document.error is not None and document.error.code in ASKS_PASSWORD
    if not failed or not document.file_name.lower().endswith(".pdf"):
        return
    with st.form(f"password-{document.id}", border=False):
        password = st.text_input("Password of the file", type="password", key=f"password-of-{document.id}")
        if st.form_submit_button("Open", icon=":material/lock_open:") and password:
            act(lambda: client.retry_document(document.id, password))


def is_stopped(document: Document) -> bool:
    """A person stopped the reading: no failure of the file."""
    return document.error is not None and document.error.code == "cancelled"


def facts(document: Document) -> Iterator[str]:
    """What is known about the document, as far as it is known."""
    yield file_size(document.size_bytes)
    if document.version > 1:
        yield f"version {document.version}"
    if document.page_count and document.paged:
        yield counted(document.page_count, "page")
    if document.chunk_count is not None:
        yield counted(document.chunk_count, "passage")
    if document.report and document.report.get("language"):
        yield escape_markdown(f"language {document.report['language']}")


def actions(client: Client, document: Document) -> None:
    """Stop what waits or runs; retry what failed or waits; fetch the original; delete in any state."""
    if document.status in ("queued", "processing") and st.button(
        "Stop", key=f"stop-{document.id}", icon=":material/stop_circle:", type="tertiary"
    ):
        act(lambda: client.cancel_document(document.id))
    again = retry_label(document)
    if again and st.button(again, key=f"retry-{document.id}", icon=":material/refresh:", type="tertiary"):
        act(lambda: client.retry_document(document.id))
    st.download_button(
        "Original",
        data=lambda: client.document_file(document.id),
        file_name=document.file_name,
        key=f"original-{document.id}",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
    )
    with st.popover("Delete", icon=":material/delete:", type="tertiary", key=f"delete-{document.id}"):
        st.markdown(f"Delete **{escape_markdown(document.file_name)}**? It stops being searched at once.")
        if st.button("Delete it", key=f"really-delete-{document.id}", type="primary"):
            act(lambda: client.delete_document(document.id))


def retry_label(document: Document) -> str | None:
    """What failed for good is tried again; what waits for its next try need not wait any longer."""
    if document.status == "failed":
        return "Retry"
    progress = document.progress
    waits = document.status == "queued" and progress is not None and progress.last_error is not None
    return "Try now" if waits else None


def act(action: Callable[[], None]) -> None:
    """Does it and draws the page anew; what is gone already counts as done."""
    try:
        action()
    except ApiError as error:
        if not error.not_found:
            show_failure(error.failure)
            return
    st.rerun()
