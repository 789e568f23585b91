"""Answers of the fake API, about the handbook of the sample collection."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pypdfium2
from PIL import Image, ImageDraw

HANDBOOK = Path(__file__).resolve().parents[2] / "samples" / "files" / "employee-handbook.pdf"
LEAVE = (
    "You have 28 days of annual leave, and one further day for every five complete years of service, up to a "
    "total of 32. Up to six unused days may be carried into the next year, and they lapse on 31 May."
)
HOME = (
    "Anyone whose work does not need the workshop or the laboratory may work from home for up to three days "
    "a week."
)
HOSTILE = (
    '<img src="http://leak.example/a.png" onerror="document.title=1"> ![x](http://leak.example/b.png) $x$'
)
HANDBOOK_TEXT = "Employee handbook\n\n" + LEAVE + "\n\n" + HOME + "\n\n" + HOSTILE


def span(words: str) -> tuple[int, int]:
    """Where these words stand in the handbook's text."""
    start = HANDBOOK_TEXT.index(words)
    return start, start + len(words)


def source(number: int, words: str, page: int, score: float, document_id: int) -> dict[str, Any]:
    start, end = span(words)
    return {
        "number": number, "chunk_id": 100 + number, "document_id": document_id, "document_version": 1,
        "file_name": "employee-handbook.pdf", "page": page, "headings": ["2. Working hours and leave"],
        "start": start, "end": end, "text": words, "score": score,
    }  # fmt: skip


def citation(
    answer: str,
    claim: str,
    number: int,
    evidence: str,
    page: int,
    document_id: int,
    verdict: str = "supported",
) -> dict[str, Any]:
    start, end = span(evidence)
    claim_start = answer.index(claim)
    return {
        "number": number, "claim_start": claim_start, "claim_end": claim_start + len(claim),
        "chunk_id": 100 + number, "document_id": document_id, "document_version": 1,
        "file_name": "employee-handbook.pdf", "page": page, "start": start, "end": end, "text": evidence,
        "verdict": verdict, "score": 0.97 if verdict == "supported" else 0.21, "placed_by": "model",
    }  # fmt: skip


def canned_answer(question: str, message_id: int, conversation_id: int, document_id: int) -> dict[str, Any]:
    """An answered question about leave, a hostile one, or a refusal."""
    base: dict[str, Any] = {
        "message_id": message_id, "conversation_id": conversation_id, "question": question,
        "standalone_question": question, "refusal": None, "error": None, "citations": [], "sources": [],
        "grounding": None, "weak_evidence": False, "removed_claims": [], "quotes": [], "feedback": None,
        "coverage": {"searched": 1, "pending": 2, "failed": 1},
        "timings_ms": {"search": 120.0, "generate": 900.0}, "tokens": {"prompt": 400, "answer": 30},
    }  # fmt: skip
    sources = [
        source(1, LEAVE, 2, 0.94, document_id),
        source(2, HOME, 3, 0.31, document_id),
        source(3, HOSTILE, 6, 0.12, document_id),
    ]
    if "hostile" in question:
        return base | {
            "state": "answered", "answer": f"{HOSTILE} [3].",
            "sources": sources[2:], "also_retrieved": sources[:2],
            "citations": [citation(HOSTILE, HOSTILE, 3, HOSTILE, 6, document_id)],
        }  # fmt: skip
    if any(word in question for word in ("leave", "days", "slow", "fail", "lost")):
        return base | leave_answer(sources, document_id)
    refusal = {
        "reason": "weak_evidence", "best_score": 0.31, "threshold": 0.5,
        "documents_ready": 1, "documents_pending": 2, "documents_failed": 1,
        "near_misses": [{"number": 2, "file_name": "employee-handbook.pdf", "page": 3, "score": 0.31,
                         "short_by": 0.19}],
        "failed_files": [{"document_id": 9, "file_name": "damaged.pdf", "cause": None}],
    }  # fmt: skip
    return base | {"state": "refused", "answer": None, "refusal": refusal, "also_retrieved": sources[1:]}


def leave_answer(sources: list[dict[str, Any]], document_id: int) -> dict[str, Any]:
    days = "You have 28 days of annual leave, up to 32 with long service"
    carried = "Six unused days can be carried into the next year until 31 May"
    home = "Everyone may work from home"
    answer = f"{days} [1]. {carried} [1]. {home} [2]."
    first, second = LEAVE.split(". ", 1)
    return {
        "state": "answered",
        "answer": answer,
        "grounding": "partly",
        "conflicts": [
            {
                "supporting": {"number": 1},
                "disputing": {"number": 2},
                "supporting_text": first,
                "disputing_text": "Annual leave is 25 days.",
            }
        ],
        "sources": sources[:2],
        "also_retrieved": sources[2:],
        "citations": [
            citation(answer, days, 1, first, 2, document_id),
            citation(answer, carried, 1, second, 2, document_id),
            citation(answer, home, 2, HOME, 3, document_id, "not_supported"),
        ],
    }


def marked_page(number: int, words: str, scale: float) -> bytes:
    """PNG of a page of the sample handbook on which `words` are marked."""
    pdf = pypdfium2.PdfDocument(HANDBOOK)
    page = pdf[number - 1]
    image: Image.Image = page.render(scale=scale).to_pil().convert("RGBA")
    overlay = Image.new("RGBA", image.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(overlay)
    text = page.get_textpage()
    for line in words.split(". "):
        found = text.search(" ".join(line.split()[:6])).get_next()
        if found:
            for box in range(text.count_rects(found[0], len(line))):
                left, bottom, right, top = text.get_rect(box)
                height = page.get_height()
                corners = (left * scale, (height - top) * scale, right * scale, (height - bottom) * scale)
                draw.rectangle(corners, fill=(247, 201, 72, 110))
    buffer = BytesIO()
    Image.alpha_composite(image, overlay).convert("RGB").save(buffer, "PNG")
    text.close()
    page.close()
    pdf.close()
    return buffer.getvalue()


def asked(id_: int, question: str, answers: list[str], status: str) -> dict[str, Any]:
    return {
        "id": id_, "question": question, "answers": answers, "answerable": bool(answers), "status": status,
        "notes": ["Written by the decoder: read it before it counts."] if status == "review" else [],
        "gold": [{"file": "employee-handbook.pdf", "page": 2, "quote": "28 days"}] if answers else [],
    }  # fmt: skip


def eval_questions() -> list[dict[str, Any]]:
    """What the fake's set begins with."""
    return [
        asked(1, "How many days of leave are there?", ["28 days"], "review"),
        asked(2, "May dogs vote?", [], "ready"),
    ]
