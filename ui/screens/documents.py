"""Documents: add files, watch them being read, retry or delete them, one collection at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from threading import Lock
from typing import IO, NamedTuple

import streamlit as st

from ui.client import ApiError, Client
from ui.document_card import show_document
from ui.document_passages import show_passages
from ui.known_files import File, show_choices, without_known
from ui.paging import load_page, page_field
from ui.schemas import Collection, Document, Upload
from ui.service import get_client
from ui.site_reads import show_reads
from ui.text import counted, escape_markdown
from ui.views import failed_where, failures_shown, show_failure
from ui.web_pages import web_page_form

REFRESH_S = 1.0
PAGE_SIZE = 25
STATUSES = {"Ready": "ready", "Being read": "processing", "Waiting": "queued", "Failed": "failed"}

FORMATS = (
    "PDF, Word, PowerPoint, Excel, OpenDocument, HTML, Markdown, CSV, JSON, text, code, EPUB, e-mail, and "
    "ZIP files of these."
)
ALWAYS_THERE = "Default"  # the service refuses to delete it

# Session keys
CHOSEN = "collection"
CHOSEN_NEXT = "collection-next"  # a widget's value can only be set before the widget is drawn
OUTCOMES = "upload-outcomes"  # what became of the last upload, shown until the next one
UPLOADING = "upload-under-way"
UPLOADER = "uploader-number"  # a new number gives a new, empty uploader

GONE = "collection_not_found"  # the service's code
DELETED_MEANWHILE = {
    "cause": "Its collection was deleted before the file was sent.",
    "next_step": "Choose another collection and drop the file again.",
}


class Unsent(NamedTuple):
    """A file that was not sent yet, and the collection that was chosen when it was dropped."""

    collection_id: int
    file: File


@dataclass
class Uploading:
    """Files on their way up. A click interrupts between two of them; the page's next run sends the others.

    They are kept here, because Streamlit forgets what was dropped as soon as another page is opened.
    """

    unsent: dict[str, Unsent] = field(default_factory=dict)  # by id of the file, in the order of sending
    held: set[str] = field(default_factory=set)  # ids of all the files that the uploader held in the last run
    outcomes: list[Upload] = field(default_factory=list)
    sending: Lock = field(default_factory=Lock)  # a click starts the next run before the last one has ended

    def take(self, files: Sequence[File], collection_id: int, forgotten: bool) -> None:
        """Adds what is new in the uploader and gives up what a person took out of it.

        `forgotten`: the uploader is a new one, and what it lacks was not taken out.
        """
        here = {file.file_id: Unsent(collection_id, file) for file in files}
        for taken_out in set() if forgotten else self.held - here.keys():
            self.unsent.pop(taken_out, None)
        self.unsent |= {file_id: each for file_id, each in here.items() if file_id not in self.held}
        self.held = set(here)


def page() -> None:
    """Collection, upload, list."""
    st.title("Documents")
    client = get_client()
    collection = choose_collection(client)
    upload_area(client, collection)
    if (refused := web_page_form(client, collection)) is not None:
        st.session_state[OUTCOMES] = refused
        st.rerun()
    reading = show_reads(client, collection)
    show_outcomes()
    show_choices(client, collection.id, st.session_state.setdefault(OUTCOMES, []))
    status = status_filter() if collection.document_count else None
    active = reading or is_active(load(client, collection, status)[0])
    # Polling ends by itself: the list reruns the page once nothing is being read any more.
    listing = st.fragment(run_every=REFRESH_S if active else None)(document_list)
    listing(client, collection, status, active, reading)
    show_passages(client)


def choose_collection(client: Client) -> Collection:
    """The collection to look at and to add to, with ways to make another and to delete this one."""
    collections = {each.id: each for each in client.collections()}
    wanted = st.session_state.pop(CHOSEN_NEXT, st.session_state.get(CHOSEN))
    if wanted in collections:
        st.session_state[CHOSEN] = wanted
    else:
        st.session_state.pop(CHOSEN, None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Collection",
            list(collections),
            format_func=lambda id_: f"{collections[id_].name} ({collections[id_].document_count})",
            key=CHOSEN,
        )
        with st.popover("New collection", icon=":material/create_new_folder:"):
            new_collection(client)
        if collections[chosen].name != ALWAYS_THERE:
            with st.popover("Delete collection", icon=":material/delete:", key="delete-collection"):
                delete_collection(client, collections[chosen])
    return collections[chosen]


def new_collection(client: Client) -> None:
    """A form for one name."""
    with st.form("new-collection", border=False, clear_on_submit=True):
        name = st.text_input("Name", max_chars=200).strip()
        if st.form_submit_button("Create", type="primary") and name:
            with failures_shown():
                st.session_state[CHOSEN_NEXT] = client.create_collection(name).id
                st.rerun()


def delete_collection(client: Client, collection: Collection) -> None:
    """A second click deletes it with everything in it."""
    inside = counted(collection.document_count, "document")
    st.markdown(
        f"Delete **{escape_markdown(collection.name)}** with {inside}? They stop being searched at once."
    )
    if st.button("Delete it", key="really-delete-collection", type="primary"):
        with failures_shown():
            client.delete_collection(collection.id)
            st.rerun()


def upload_area(client: Client, collection: Collection) -> None:
    """Files go up as soon as they are dropped, one request each, so that one bad file concerns no other."""
    number = st.session_state.setdefault(UPLOADER, 0)
    forgotten = f"upload-{number}" not in st.session_state
    files = st.file_uploader(
        f"Drop files here to add them to {escape_markdown(collection.name)}",
        accept_multiple_files=True,
        key=f"upload-{number}",
        help=FORMATS,
    )
    uploading: Uploading = st.session_state.setdefault(UPLOADING, Uploading())
    uploading.take(files, collection.id, forgotten)
    if not files and not uploading.unsent:
        st.session_state.pop(UPLOADING, None)
        return
    try:
        upload_all(client, uploading)
    except ApiError as error:
        show_failure(error.failure)
        return
    st.session_state[UPLOADER] = number + 1
    st.session_state.pop(UPLOADING, None)
    st.rerun()


def upload_all(client: Client, uploading: Uploading) -> None:
    """Sends the files that their collections do not have; raises ApiError when these cannot be asked.

    A file that was sent is noted before anything of Streamlit is touched, session state included: there a
    click interrupts the script, and the file would count as not sent.
    """
    with uploading.sending:
        st.session_state[OUTCOMES] = uploading.outcomes
        for collection_id in {each.collection_id for each in uploading.unsent.values()}:
            settle_known(client, uploading, collection_id)
        new = list(uploading.unsent.values())
        bar = st.progress(0.0)
        for index, (collection_id, file) in enumerate(new):
            bar.progress(index / len(new), text=f"Uploading {index + 1} of {len(new)}")
            outcome = upload_one(client, collection_id, file.name, BytesIO(file.getvalue()))
            uploading.outcomes.append(outcome)
            uploading.unsent.pop(file.file_id, None)  # may have been taken out meanwhile


def settle_known(client: Client, uploading: Uploading, collection_id: int) -> None:
    """Of the files for a collection, those that it has wait for a choice; if it was deleted, none is sent."""
    files = [file for each, file in uploading.unsent.values() if each == collection_id]
    try:
        new = without_known(client, collection_id, files)
    except ApiError as error:
        if error.failure.code != GONE:
            raise
        new = []
        uploading.outcomes += [refused(file.name, error) for file in files]
    for file_id in {file.file_id for file in files} - {file.file_id for file in new}:
        uploading.unsent.pop(file_id, None)


def upload_one(client: Client, collection_id: int, file_name: str, stream: IO[bytes]) -> Upload:
    """Sends one file; a refusal becomes an outcome like any other."""
    try:
        return client.upload(file_name, stream, collection_id)
    except ApiError as error:
        return refused(file_name, error)


def refused(file_name: str, error: ApiError) -> Upload:
    """The outcome of a file that was not taken."""
    failure = error.failure
    if failure.code == GONE:
        failure = failure.model_copy(update=DELETED_MEANWHILE)
    return Upload(file_name=file_name, status="rejected", error=failure)


def show_outcomes() -> None:
    """What became of the last upload: one line for all that went well, one message a file that did not."""
    outcomes: list[Upload] = st.session_state.get(OUTCOMES, [])
    queued = sum(each.status == "queued" for each in outcomes)
    if queued:
        st.success(f"{counted(queued, 'file')} added.", icon=":material/check:")
    for each in outcomes:
        if each.status == "duplicate":
            st.info(f"{escape_markdown(each.file_name)} is in this collection already.")
        elif each.error is not None:
            show_failure(each.error, title=each.file_name)
            st.caption(failed_where(each.error))


def status_filter() -> str | None:
    """The status to list; None lists every document."""
    label = st.segmented_control("Status", list(STATUSES), key="status", label_visibility="collapsed")
    return STATUSES[label] if label else None


def document_list(
    client: Client, collection: Collection, status: str | None, polling: bool, reading: bool
) -> None:
    """The documents of one page of the list; redrawn every second while one of them, or a site, is read."""
    with failures_shown():
        documents, total = load(client, collection, status)
        if polling and not reading and not is_active(documents):
            st.rerun()
        if not documents:
            empty_list(status)
        for document in documents:
            show_document(client, document)
        page_field(page_key(collection, status), PAGE_SIZE, total)


def empty_list(status: str | None) -> None:
    """Nothing to list."""
    if status:
        st.caption("No document has this status.")
        return
    with st.container(border=True):
        st.markdown("#### This collection is empty")
        st.markdown("Drop files above, many at once if you like: each is read by itself, while you go on.")
        st.caption(FORMATS)


def load(client: Client, collection: Collection, status: str | None) -> tuple[list[Document], int]:
    """The chosen page of the documents of a collection, and how many it has."""

    def listed(limit: int, offset: int) -> tuple[list[Document], int]:
        found = client.documents(collection.id, status=status, limit=limit, offset=offset)
        return found.items, found.total

    return load_page(page_key(collection, status), PAGE_SIZE, listed)


def page_key(collection: Collection, status: str | None) -> str:
    """Session key of the page that is shown of a list."""
    return f"documents-page-{collection.id}-{status}"


def is_active(documents: Sequence[Document]) -> bool:
    """True while a document waits or is being read."""
    return any(each.status in ("queued", "processing") for each in documents)
