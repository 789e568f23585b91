"""The versions of a document on its card: which one answers, which one is coming, what it was before."""

from __future__ import annotations

import streamlit as st

from ui.client import ApiError, Client
from ui.schemas import Document, DocumentVersion
from ui.text import escape_markdown, file_size
from ui.views import show_failure

STATES = {"current": "answers questions", "pending": "not read yet", "replaced": "replaced"}


def show_version(client: Client, document: Document) -> None:
    """Says when the newest version is not the one that answers, and lets a person keep the old one."""
    ready, newest = document.ready_version, document.version
    if ready is None or ready == newest:
        return
    if document.status == "failed":
        st.warning(f"Version {newest} could not be read. Version {ready} still answers questions.")
    else:
        st.info(f"Version {ready} answers questions until version {newest} has been read.")
    if st.button(f"Keep version {ready}", key=f"keep-{document.id}", icon=":material/undo:", type="tertiary"):
        try:
            client.drop_version(document.id)
        except ApiError as error:
            show_failure(error.failure)
            return
        st.rerun()


def versions_button(client: Client, document: Document) -> None:
    """A list of what the document has been, where it has been more than one file."""
    if document.version < 2:
        return
    with st.popover("Versions", icon=":material/history:", type="tertiary", key=f"versions-{document.id}"):
        try:
            versions = client.versions(document.id)
        except ApiError as error:
            show_failure(error.failure)
            return
        for version in versions:
            st.markdown(version_line(version))


def version_line(version: DocumentVersion) -> str:
    """Number, state, file and size in one line."""
    state = STATES.get(version.state, version.state)
    if version.replaced_at is not None:
        state += f" on {version.replaced_at:%d %B %Y}"
    if version.purged_at is not None:
        state += ", its pages are no longer kept"
    name = escape_markdown(version.file_name)
    return f"**Version {version.number}** ({state}): {name}, {file_size(version.size_bytes)}"
