"""Passages for search and citation, cut by structure first and by the encoder's tokens second."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ingest.segments import Span, page_parts, paragraphs, sections, sentences, trim, windows
from ingest.types import ChunkDraft, ParsedDocument, TokenSpans

_MAX_CHARS_PER_TOKEN: Final = 16  # a word of 10,000 letters is one unknown token, but no passage
_FULL_ENOUGH: Final = 0.5  # a chunk this full ends before a paragraph that it would have to cut


@dataclass(frozen=True, slots=True)
class _Ruler:
    """Measures spans of one window in encoder tokens."""

    starts: Sequence[int]  # document offsets of the tokens, ascending
    max_tokens: int

    def tokens(self, start: int, end: int) -> int:
        return bisect_left(self.starts, end) - bisect_left(self.starts, start)

    def fits(self, start: int, end: int) -> bool:
        return (
            end - start <= self.max_tokens * _MAX_CHARS_PER_TOKEN
            and self.tokens(start, end) <= self.max_tokens
        )

    def furthest(self, start: int, end: int) -> int:
        """The last place up to `end` where a span from `start` may end; always after `start`."""
        first = bisect_left(self.starts, start)
        over = first + self.max_tokens
        by_tokens = self.starts[over] if over < len(self.starts) else end
        return max(start + 1, min(end, by_tokens, start + self.max_tokens * _MAX_CHARS_PER_TOKEN))


def chunk(parsed: ParsedDocument, token_spans: TokenSpans, max_tokens: int) -> list[ChunkDraft]:
    """Passages of at most `max_tokens` encoder tokens in document order.

    A heading or, where pages mean something, a page starts a new chunk; paragraphs and sentences are packed
    whole where they fit; a table row is cut only when it alone is too long. `text == parsed.text[start:end]`
    holds for each, none overlap, and nothing but white space lies outside them.
    """
    drafts: list[ChunkDraft] = []
    for section in sections(parsed):
        for part in page_parts(parsed, (section.start, section.end)):
            for window in windows(parsed.text, part):
                for span, tokens in _window_chunks(parsed, window, token_spans, max_tokens):
                    drafts.append(_draft(parsed, len(drafts), span, section.headings, tokens))
    return drafts


def _window_chunks(
    parsed: ParsedDocument, window: Span, token_spans: TokenSpans, max_tokens: int
) -> Iterator[tuple[Span, int]]:
    text = parsed.text
    starts = [window[0] + start for start, _ in token_spans(text[window[0] : window[1]])]
    ruler = _Ruler(starts, max_tokens)
    for span in _pack(parsed, window, ruler):
        yield from _proven(text, trim(text, span), token_spans, max_tokens)


def _pack(parsed: ParsedDocument, window: Span, ruler: _Ruler) -> Iterator[Span]:
    """Fill chunks paragraph by paragraph; one that must be cut is cut between sentences, then words."""
    current: Span | None = None
    for paragraph in paragraphs(parsed, window):
        if current is not None and ruler.fits(current[0], paragraph[1]):
            current = (current[0], paragraph[1])
            continue
        if current is not None and _ends_here(current, paragraph, ruler):
            yield current
            current = None
        pieces = [paragraph] if ruler.fits(*paragraph) else sentences(parsed.text, paragraph)
        for piece in _fitting(parsed.text, pieces, ruler):
            if current is not None and ruler.fits(current[0], piece[1]):
                current = (current[0], piece[1])
                continue
            if current is not None:
                yield current
            current = piece
    if current is not None:
        yield current


def _ends_here(current: Span, paragraph: Span, ruler: _Ruler) -> bool:
    return ruler.fits(*paragraph) or ruler.tokens(*current) >= _FULL_ENOUGH * ruler.max_tokens


def _fitting(text: str, spans: Iterable[Span], ruler: _Ruler) -> Iterator[Span]:
    """`spans`, those too long cut after the last word that fits, or inside a word that is too long."""
    for start, end in spans:
        while not ruler.fits(start, end):
            cut = _word_end(text, start, ruler.furthest(start, end))
            yield trim(text, (start, cut))
            start, end = trim(text, (cut, end))
        if start < end:
            yield start, end


def _word_end(text: str, start: int, limit: int) -> int:
    """The last white space before `limit`, or `limit` when one word fills it all."""
    for position in range(limit, start + (limit - start) // 2, -1):
        if text[position : position + 1].isspace() or text[position - 1].isspace():
            return position
    return limit


def _proven(text: str, span: Span, token_spans: TokenSpans, max_tokens: int) -> Iterator[tuple[Span, int]]:
    """`span` with its true token count; halved in the rare case that a cut word made more tokens."""
    tokens = len(token_spans(text[span[0] : span[1]]))
    if tokens <= max_tokens or span[1] - span[0] < 2:
        yield span, tokens
        return
    middle = _word_end(text, span[0], (span[0] + span[1]) // 2)
    for half in ((span[0], middle), (middle, span[1])):
        if text[half[0] : half[1]].strip():
            yield from _proven(text, trim(text, half), token_spans, max_tokens)


def _draft(
    parsed: ParsedDocument, position: int, span: Span, headings: tuple[str, ...], tokens: int
) -> ChunkDraft:
    start, end = span
    return ChunkDraft(
        position=position,
        start=start,
        end=end,
        text=parsed.text[start:end],
        page_first=_page_at(parsed, start),
        page_last=_page_at(parsed, end - 1),
        headings=headings,
        tokens=tokens,
    )


def _page_at(parsed: ParsedDocument, offset: int) -> int | None:
    """The number of the page that holds the character at `offset`; empty pages hold none."""
    return bisect_right(parsed.pages, offset, key=lambda page: page.start) if parsed.paged else None
