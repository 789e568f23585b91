"""Files that a collection has already, by their bytes or their name: a person says what becomes of each."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from io import BytesIO
from typing import NamedTuple, Protocol

import streamlit as st

from ui.client import ApiError, Client, OnExisting
from ui.schemas import Known, Upload
from ui.text import escape_markdown

WAITING = "known-files"  # session key: files that wait for a choice


class File(Protocol):
    """An uploaded file, as Streamlit holds it."""

    file_id: str  # of this upload: the same file dropped again has another
    name: str

    def getvalue(self) -> bytes: ...


class Waiting(NamedTuple):
    """A file that was not sent yet, and what the collection has."""

    collection_id: int
    data: bytes
    known: Known

    def is_same(self, other: Waiting) -> bool:
        """Whether it is the same file for the same collection: dropped again, it is asked about once."""
        return (self.collection_id, self.known.file_name, self.data) == (
            other.collection_id,
            other.known.file_name,
            other.data,
        )


def without_known(client: Client, collection_id: int, files: Sequence[File]) -> list[File]:
    """The files that are new here; the others join those that wait in the session for a choice."""
    digests = [(file.name, hashlib.sha256(file.getvalue()).hexdigest()) for file in files]
    found = list(zip(files, client.check_files(digests, collection_id), strict=True))
    asked = [Waiting(collection_id, file.getvalue(), known) for file, known in found if known.match != "none"]
    waiting: list[Waiting] = st.session_state.get(WAITING, [])
    st.session_state[WAITING] = [each for each in waiting if not any(map(each.is_same, asked))] + asked
    return [file for file, known in found if known.match == "none"]


def show_choices(client: Client, collection_id: int, outcomes: list[Upload]) -> None:
    """A card for each file that waits here; a choice sends it, and its outcome joins the others."""
    waiting: list[Waiting] = st.session_state.get(WAITING, [])
    for index, file in enumerate(waiting):
        if file.collection_id != collection_id:
            continue
        with st.container(border=True, key=f"known-{index}"):
            st.markdown(headline(file.known))
            st.caption(explanation(file.known))
            with st.container(horizontal=True):
                choice = choose(index, file.known)
        if choice is not None:
            if choice != "skip":
                outcomes.append(send(client, file, choice))
            st.session_state[WAITING] = waiting[:index] + waiting[index + 1 :]
            st.rerun()


def choose(index: int, known: Known) -> OnExisting | None:
    """Skip, a new version, or both; None until one is clicked."""
    if st.button("Skip", key=f"skip-{index}", icon=":material/block:"):
        return "skip"
    number = (known.version or 0) + 1
    label = (
        f"Read it again as version {number}" if known.match == "same_bytes" else f"Make it version {number}"
    )
    if st.button(label, key=f"replace-{index}", icon=":material/update:"):
        return "replace"
    if st.button("Keep both", key=f"both-{index}", icon=":material/content_copy:"):
        return "keep_both"
    return None


def headline(known: Known) -> str:
    """Which file, and what it collides with."""
    name = f"**{escape_markdown(known.file_name)}**"
    if known.match == "same_name":
        return f"{name}: a document of this name is here with other content."
    if known.document_name == known.file_name:
        return f"{name} is in this collection already."
    return f"{name} is in this collection already, as {escape_markdown(known.document_name or '')}."


def explanation(known: Known) -> str:
    """What the choices mean."""
    if known.match == "same_bytes":
        return "The bytes are the same. Nothing needs to be read again."
    return "The version that is here answers questions until the new one has been read."


def send(client: Client, file: Waiting, choice: OnExisting) -> Upload:
    """Sends the file with the choice; a refusal becomes an outcome like any other."""
    name, stream = file.known.file_name, BytesIO(file.data)
    target = file.known.document_id if choice == "replace" else None
    try:
        return client.upload(name, stream, file.collection_id, on_existing=choice, document_id=target)
    except ApiError as error:
        return Upload(file_name=name, status="rejected", error=error.failure)
