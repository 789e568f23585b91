"""What has become of a cited document, in words, for the panel of a footnote."""

from __future__ import annotations

import streamlit as st

from ui.schemas import Citation


def show_cited(citation: Citation) -> None:
    """One sentence where the cited version is not the one that answers any more."""
    words = cited_words(citation)
    if words:
        st.info(words, icon=":material/history:")


def cited_words(citation: Citation) -> str | None:
    """None while the cited version answers."""
    cited = citation.document
    if cited is None or cited.state == "current":
        return None
    when = "" if cited.since is None else f" on {cited.since:%d %B %Y}"
    if cited.state == "deleted":
        return f"This document was deleted{when}. The footnote keeps the words it quoted."
    number = citation.document_version
    now = "" if cited.version_now is None else f" by version {cited.version_now}"
    if cited.readable:
        return f"This is version {number} of the document, replaced{when}{now}. You see it as it was."
    return (
        f"This was version {number} of the document, replaced{when}{now}. Its pages are no longer kept; the "
        "footnote keeps the words it quoted."
    )
