"""An answer with clickable footnotes, as a Streamlit component.

Text reaches the page only as text nodes, so whatever a document or model wrote can neither run nor load
anything. The footnotes are real buttons: they work with a keyboard and tell a screen reader what they open.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui.footnotes import footnoted
from ui.schemas import Citation
from ui.text import place
from ui.verdicts import VERDICTS

CSS = """
.answer {
  font-family: var(--st-font);
  font-size: 1.05rem;
  line-height: 1.65;
  color: var(--st-text-color);
  white-space: pre-wrap;
  overflow-wrap: anywhere;
}
.note {
  font: inherit;
  font-size: 0.75em;
  font-weight: 600;
  line-height: 1.3;
  vertical-align: 0.3em;
  margin: 0 0.1em 0 0.3em;
  padding: 0 0.5em;
  border: 1px solid currentColor;
  border-radius: 1em;
  background: transparent;
  color: var(--st-primary-color);
  cursor: pointer;
}
.note:hover, .note:focus-visible { background: var(--st-primary-color); color: var(--st-background-color); }
.note.not_supported { color: var(--st-orange-text-color); border-style: dashed; }
.note.contradicted { color: var(--st-red-text-color); border-style: dashed; }
.note.not_supported:hover, .note.contradicted:hover { background: transparent; }
"""

JS = """
const revealed = new WeakSet();  // once a visit: whatever is clicked later must not move the page

/* Streamlit keeps a chat at its end; a new answer is read from its beginning, so its question comes up. */
function reveal(root, name) {
  if (!name || revealed.has(root)) return;
  revealed.add(root);
  const show = () => document.querySelector(`.st-key-${name}`)?.scrollIntoView({ block: "start" });
  for (const afterMs of [0, 150, 400]) setTimeout(show, afterMs);
}

export default function ({ data, parentElement, setTriggerValue }) {
  reveal(parentElement, data.reveal);
  const answer = parentElement.querySelector(".answer");
  answer.replaceChildren(...data.pieces.map((piece) => {
    if (piece.citation === null) return document.createTextNode(piece.text);
    const note = document.createElement("button");
    note.className = "note " + piece.verdict;
    note.textContent = piece.text;
    note.title = piece.label;
    note.setAttribute("aria-label", piece.label);
    note.onclick = () => setTriggerValue("opened", piece.citation);
    return note;
  }));
}
"""

render = st.components.v2.component("footnoted_answer", html='<div class="answer"></div>', css=CSS, js=JS)


def answer_text(text: str, citations: Sequence[Citation], key: str, reveal: str = "") -> int | None:
    """Shows the answer; returns the index of the citation whose footnote was just clicked, if any.

    With the key of a container that stands above, the page shows that one at the top at first.
    """
    pieces = [
        {
            "text": piece.text,
            "citation": piece.citation,
            "verdict": "" if piece.citation is None else citations[piece.citation].verdict,
            "label": "" if piece.citation is None else note_label(citations[piece.citation]),
        }
        for piece in footnoted(text, citations)
    ]
    opened = render(
        key=key, data={"pieces": pieces, "reveal": reveal}, on_opened_change=declare_trigger
    ).opened
    return int(opened) if opened is not None else None


def note_label(citation: Citation) -> str:
    """What a footnote opens, in words."""
    where = place(citation.file_name, citation.page)
    return f"Footnote {citation.number}: {where}, {VERDICTS[citation.verdict].sentence}"


def declare_trigger() -> None:
    """A trigger exists only with a callback; its value is read from the result instead."""
