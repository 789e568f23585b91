"""Sites that are read into a collection: how far each is, a way to stop it, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui.client import ApiError, Client
from ui.progress import time_left
from ui.schemas import Collection, Upload
from ui.sites_api import SiteRead
from ui.text import counted, escape_markdown, file_size, short_address
from ui.views import failed_where, failures_shown, show_failure

REFRESH_S = 1.0
LONGEST_ADDRESS = 60  # characters
OPEN_REFUSALS = 3  # more of them are folded away


def show_reads(client: Client, collection: Collection) -> bool:
    """A card for each read that runs or was not closed; whether one runs."""
    running = any(each.is_running for each in client.sites.reads(collection.id))
    cards = st.fragment(run_every=REFRESH_S if running else None)(read_cards)
    cards(client, collection, running)
    return running


def read_cards(client: Client, collection: Collection, polling: bool) -> None:
    """Redrawn every second while a site is being read; the whole page when that begins or ends."""
    with failures_shown():
        reads = client.sites.reads(collection.id)
        if polling != any(each.is_running for each in reads):
            st.rerun()
        for each in to_show(reads):
            with st.container(border=True, key=f"site-read-{each.id}"):
                if each.is_running:
                    show_running(client, each)
                else:
                    show_ended(client, collection, each)


def to_show(reads: Sequence[SiteRead]) -> list[SiteRead]:
    """Those that run, and those that were over after which no other began (pure)."""
    last_begun = max((each.created_at for each in reads), default=None)
    return [
        each for each in reads if each.finished_at is None or not last_begun or each.finished_at >= last_begun
    ]


def show_running(client: Client, read: SiteRead) -> None:
    """The page in hand, what came of those before, and a way to stop."""
    done = len(read.documents)
    st.progress(min(1.0, done / read.pages), text=escape_markdown(headline(read)))
    so_far = f"  \n{tally(read)} · {file_size(read.size_bytes)}" if done else ""
    st.caption(escape_markdown(doing(read)) + so_far)
    st.button(
        "Cancel",
        key=f"cancel-read-{read.id}",
        icon=":material/stop_circle:",
        disabled=read.cancel_requested,
        on_click=cancel,
        args=(client, read.id),
    )


def headline(read: SiteRead) -> str:
    """`Reading example.org/handbook: page 3 of at most 20, 12 s` (pure)."""
    number = min(len(read.documents) + 1, read.pages)
    count = f": page {number} of at most {read.pages}" if read.pages > 1 else ""
    return f"Reading {short_address(read.url, LONGEST_ADDRESS)}{count}, {time_left(read.elapsed_s)}"


def doing(read: SiteRead) -> str:
    """What happens at the moment (pure)."""
    if read.cancel_requested:
        return "Stopping"
    if read.current is None:
        return "Pausing before the next page, as sites ask for"
    return f"Now: {short_address(read.current, LONGEST_ADDRESS)}"


def tally(read: SiteRead) -> str:
    """`2 pages added, 1 unchanged, 1 could not be read`; what there is none of is left out (pure)."""
    return in_words((read.added, "added"), (read.unchanged, "unchanged"), (read.refused, "could not be read"))


def in_words(*counts: tuple[int, str]) -> str:
    """`2 pages added, 1 unchanged` (pure)."""
    found = [(count, what) for count, what in counts if count]
    return ", ".join(
        f"{f'{count:,}' if index else counted(count, 'page')} {what}"
        for index, (count, what) in enumerate(found)
    )


def kept(read: SiteRead) -> str:
    """What a read leaves that was cut short (pure)."""
    if read.added or read.unchanged:
        return f"What was taken in stays: {in_words((read.added, 'added'), (read.unchanged, 'unchanged'))}."
    return "No page was taken in."


def cancel(client: Client, read_id: int) -> None:
    """Stops it; what has ended meanwhile needs no stopping."""
    try:
        client.sites.cancel(read_id)
    except ApiError as error:
        if error.failure.code not in ("site_read_state", "site_read_not_found"):
            raise


def show_ended(client: Client, collection: Collection, read: SiteRead) -> None:
    """What was added, what was not and why; a read that was cut short can be begun again."""
    say_outcome(read)
    refused = [each for each in read.documents if each.error is not None]
    if len(refused) > (read.status == "failed"):  # the box of a failed one says the first
        show_refused(refused)
    with st.container(horizontal=True):
        if read.status != "done":
            st.button(
                "Read again",
                key=f"again-{read.id}",
                icon=":material/refresh:",
                on_click=again,
                args=(client, collection, read),
            )
        st.button(
            "Close",
            key=f"close-{read.id}",
            icon=":material/close:",
            on_click=close,
            args=(client, collection),
        )


def say_outcome(read: SiteRead) -> None:
    """How it ended, in one box."""
    address = escape_markdown(short_address(read.url, LONGEST_ADDRESS))
    match read.status:
        case "done":
            st.success(f"**{address}**: {tally(read)}.{left_out(read)}", icon=":material/check:")
        case "cancelled":
            st.info(
                f"You stopped the reading of **{address}** after {time_left(read.elapsed_s)}. {kept(read)}",
                icon=":material/stop_circle:",
            )
        case "interrupted" if read.error is not None:
            st.warning(
                f"**{address}**: {escape_markdown(read.error.cause)} {kept(read)}  \n"
                f"{escape_markdown(read.error.next_step)}",
                icon=":material/restart_alt:",
            )
        case _ if read.error is not None:
            show_failure(read.error, title=short_address(read.url, LONGEST_ADDRESS))
            st.caption(failed_where(read.error))


def left_out(read: SiteRead) -> str:
    """What the limit of pages kept out (pure)."""
    if not read.waiting or read.pages_left or read.pages == 1:
        return ""
    addresses = "1 more address was" if read.waiting == 1 else f"{read.waiting:,} more addresses were"
    return f"  \nThe limit of {read.pages:,} pages was reached; {addresses} found."


def show_refused(refused: Sequence[Upload]) -> None:
    """Each address that could not be read, with its reason and what to do."""
    label = f"{counted(len(refused), 'page')} could not be read"
    with st.expander(label, icon=":material/block:", expanded=len(refused) <= OPEN_REFUSALS):
        for each in refused:
            if each.error is not None:
                st.markdown(
                    f"**{escape_markdown(short_address(each.file_name, LONGEST_ADDRESS))}**  \n"
                    f"{escape_markdown(each.error.cause)} {escape_markdown(each.error.next_step)}"
                )


def again(client: Client, collection: Collection, read: SiteRead) -> None:
    """The same read once more; a refusal to begin is said at the top of the page."""
    with failures_shown():
        client.sites.start(collection.id, read.url, depth=read.depth, pages=read.pages)


def close(client: Client, collection: Collection) -> None:
    """Puts away what is over, older ones with it: they would come to light one by one."""
    with failures_shown():
        for each in client.sites.reads(collection.id):
            if not each.is_running:
                client.sites.delete(each.id)
