"""Mail through the standard library: the header lines a reader sees, the body, then the attachments.

Read here and not by the office library, which lost the body of a signed message. The parts are walked here
and not by `get_body` and `iter_attachments`, which leave out what follows the first text of its kind.
"""

from __future__ import annotations

import email
import email.message
import email.policy
from email.message import EmailMessage, MIMEPart
from functools import partial
from itertools import chain
from typing import Final

from selectolax.lexbor import LexborHTMLParser

from ingest.builder import DocumentBuilder
from ingest.decode import decode
from ingest.failures import ParseFailure
from ingest.parsers.html import add_html
from ingest.parts import Part, add_parts
from ingest.source import Source
from ingest.types import ParsedDocument

_SHOWN_HEADERS: Final = ("From", "To", "Cc", "Date")
_TEXTS: Final = frozenset({"text/plain", "text/html"})
_SIGNATURES: Final = frozenset(
    {"application/pkcs7-signature", "application/x-pkcs7-signature", "application/pgp-signature"}
)


def parse_mail(source: Source) -> ParsedDocument:
    """A message; the plain body is preferred to the HTML one. Attachments follow as pages of their own."""
    message = email.message_from_bytes(source.path.read_bytes(), policy=email.policy.default)
    builder = DocumentBuilder(source.limits.text_chars)
    subject = _header(message, "Subject")
    if subject:
        builder.heading(1, subject)
    shown = [(name, _header(message, name)) for name in _SHOWN_HEADERS]
    builder.paragraph("\n".join(f"{name}: {value}" for name, value in shown if value))
    texts, attachments = _contents(message)
    warnings = [warning for text in texts for warning in _add_text(text, builder)]
    parts = [part for part in map(_part, attachments) if part is not None]
    if parts:
        builder.paragraph("Attachments: " + ", ".join(part.name for part in parts))
    warnings += add_parts(source, parts, builder)
    return builder.build(source.media_type, paged=bool(parts), title=subject, warnings=warnings)


def _contents(part: MIMEPart, *, inside: bool = False) -> tuple[list[MIMEPart], list[MIMEPart]]:
    """The texts of a message in reading order, and what is attached to it (RFC 2046, 5.1).

    `inside` is for parts of the message.
    """
    if part.get_content_maintype() != "multipart" or not part.is_multipart():
        return ([part], []) if _is_text(part) else ([], [part])
    forms: list[list[MIMEPart]] = []
    attachments: list[MIMEPart] = []
    for child in _children(part, inside):
        read, attached = _contents(child, inside=True)
        forms.append(read)
        attachments += attached
    if part.get_content_subtype() == "alternative":
        return _best(forms), attachments
    return list(chain.from_iterable(forms)), attachments


def _children(part: MIMEPart, inside: bool) -> list[MIMEPart]:
    """The parts that say something of their own.

    Pictures that a page shows in place (RFC 2387) are left out as those of any page are, but where that page
    is the whole message they are named.
    """
    children = list(part.iter_parts())
    kind = part.get_content_subtype()
    if kind == "alternative":
        return [child for child in children if not _is_other_form(child)] or children
    if kind == "related" and inside:
        return [child for child in children if not _is_shown_in_place(child)]
    return children


def _is_text(part: MIMEPart) -> bool:
    """Whether it is read with the message. A multipart without parts has lost its boundary, not its words."""
    if part.get_content_maintype() == "multipart":
        return isinstance(part.get_payload(), str)
    return part.get_content_type() in _TEXTS and not _is_file(part)


def _is_file(part: MIMEPart) -> bool:
    return part.is_attachment() or bool(part.get_filename())


def _is_other_form(part: MIMEPart) -> bool:
    """The same words for other programs, such as a calendar entry: neither read nor attached."""
    return part.get_content_maintype() == "text" and not _is_text(part) and not _is_file(part)


def _is_shown_in_place(part: MIMEPart) -> bool:
    return part.get_content_maintype() == "image" and not part.is_attachment()


def _best(forms: list[list[MIMEPart]]) -> list[MIMEPart]:
    """The first with words in plain text, else the last with a text: senders put what they like best last."""
    readable = [texts for texts in forms if texts]
    return next(filter(_has_plain_words, readable), readable[-1] if readable else [])


def _has_plain_words(texts: list[MIMEPart]) -> bool:
    return any(text.get_content_type() == "text/plain" and _decoded(text).strip() for text in texts)


def _part(attachment: MIMEPart) -> Part | None:
    """An attachment as a file; a forwarded message is a file, too. None for a signature: it says nothing."""
    if attachment.get_content_type() in _SIGNATURES:
        return None
    name = attachment.get_filename() or attachment.get_content_type()
    payload = attachment.get_payload(decode=True)
    if isinstance(payload, bytes):
        return Part(name, partial(bytes, payload))
    inner = attachment.get_payload()
    if isinstance(inner, list) and len(inner) == 1 and isinstance(inner[0], email.message.Message):
        return Part(attachment.get_filename() or "message.eml", inner[0].as_bytes)
    return Part(name, bytes)


def _add_text(part: MIMEPart, builder: DocumentBuilder) -> list[str]:
    """Add a text of the message; returns warnings that say what was left out."""
    text = _decoded(part)
    if part.get_content_type() == "text/html":
        return add_html(LexborHTMLParser(text), builder)
    builder.paragraph(text)
    return []


def _decoded(part: MIMEPart) -> str:
    """The text as written. A wrong or missing charset in the header falls back to detection."""
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    declared = part.get_content_charset()
    try:
        return data.decode(declared or "utf-8")
    except (UnicodeDecodeError, LookupError):
        return decode(data).text


def _header(message: EmailMessage, name: str) -> str:
    try:
        return str(message.get(name, "")).strip()
    except (ValueError, IndexError, AttributeError) as error:  # the parser trips over some broken headers
        raise ParseFailure("file_damaged", f"The header {name} cannot be read: {error}.") from error
