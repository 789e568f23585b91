"""The quote gate: what an answer puts in quotation marks must stand in its source word for word. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from app.answers.quote_text import Quote, Searchable, find_quotes, units
from app.answers.types import Footnote, Passage, QuoteCheck, QuoteVerdict, TextPlace

STITCHED_WORDS = 3  # fewest words of a piece that counts as taken from somewhere

_Sources = Sequence[tuple[Passage, Searchable]]


def check_quotes(
    question: str, answer: str, footnotes: Sequence[Footnote], passages: Sequence[Passage]
) -> list[QuoteCheck]:
    """Every quoted span of the answer with what became of it, in order.

    supported: it stands in a passage that its claim cites. misattributed: it stands in another passage of the
    prompt. stitched: its pieces stand in different places. not_found: at least a part stands nowhere. What is
    quoted from the question, and stands nowhere else, is left out.
    """
    quotes = list(find_quotes(answer))
    if not quotes:
        return []
    sources = [(passage, Searchable(passage.chunk.text)) for passage in passages]
    asked = Searchable(question)
    checked = [_check(quote, _cited_first(quote, footnotes, sources)) for quote in quotes]
    return [
        check
        for check, quote in zip(checked, quotes, strict=True)
        if check.verdict != "not_found" or asked.find_all(quote.parts) is None
    ]


def _cited_first(quote: Quote, footnotes: Sequence[Footnote], sources: _Sources) -> tuple[_Sources, _Sources]:
    """Passages that the claims around the quote cite, and the others."""
    cited = {
        note.passage.number
        for note in footnotes
        if note.claim.start < quote.end and quote.start < note.claim.end
    }
    return (
        [source for source in sources if source[0].number in cited],
        [source for source in sources if source[0].number not in cited],
    )


def _check(quote: Quote, sources: tuple[_Sources, _Sources]) -> QuoteCheck:
    cited, others = sources
    verdicts: tuple[tuple[QuoteVerdict, _Sources], ...] = (("supported", cited), ("misattributed", others))
    for verdict, among in verdicts:
        for passage, text in among:
            places = text.find_all(quote.parts)
            if places is not None:
                return _checked(quote, verdict, [_place(passage, place) for place in places])
    pieces = _stitched(quote, [*cited, *others])
    return _checked(quote, "stitched" if pieces else "not_found", pieces)


def _checked(quote: Quote, verdict: QuoteVerdict, places: Sequence[TextPlace]) -> QuoteCheck:
    return QuoteCheck(quote.text, quote.start, quote.end, verdict, tuple(places))


def _place(passage: Passage, place: tuple[int, int]) -> TextPlace:
    offset = passage.chunk.start
    return TextPlace(passage.number, passage.chunk.document_id, offset + place[0], offset + place[1])


def _stitched(quote: Quote, sources: _Sources) -> list[TextPlace]:
    """Where the fewest pieces stand that make up the whole quote; empty where some words stand nowhere."""
    places: list[TextPlace] = []
    for part in quote.parts:
        whole = _find(part, sources)
        pieces = [whole] if whole else _pieces(part, sources)
        if not pieces:
            return []
        places += pieces
    return places


def _pieces(part: str, sources: _Sources) -> list[TextPlace]:
    """A part as pieces of at least `STITCHED_WORDS` words: shortest path over its words."""
    words = units(part)
    best: dict[int, list[TextPlace]] = {0: []}
    for start in range(len(words)):
        if start not in best:
            continue
        for end in range(start + STITCHED_WORDS, len(words) + 1):
            place = _find(part[words[start][0] : words[end - 1][1]], sources)
            if place is None:
                break  # longer ones stand nowhere either
            if end not in best or len(best[start]) + 1 < len(best[end]):
                best[end] = [*best[start], place]
    return best.get(len(words), [])


def _find(words: str, sources: _Sources) -> TextPlace | None:
    for passage, text in sources:
        place = text.find(words)
        if place is not None:
            return _place(passage, place)
    return None
