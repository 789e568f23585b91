"""Mail through the standard library: the header lines a reader sees, the body, then the attachments.

Read here and not by the office library, which lost the body of a signed message.
"""

from __future__ import annotations

import email
import email.message
import email.policy
from email.message import EmailMessage, MIMEPart
from functools import partial
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
    body = message.get_body(("plain", "html"))
    if body is not None:
        _add_body(body, builder)
    parts = [part for part in map(_part, message.iter_attachments()) if part is not None]
    if parts:
        builder.paragraph("Attachments: " + ", ".join(part.name for part in parts))
    warnings = add_parts(source, parts, builder)
    return builder.build(source.media_type, paged=bool(parts), title=subject, warnings=warnings)


def _part(attachment: EmailMessage | MIMEPart) -> Part | None:
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


def _add_body(body: MIMEPart, builder: DocumentBuilder) -> None:
    text = _body_text(body)
    if body.get_content_type() == "text/html":
        add_html(LexborHTMLParser(text), builder)
    else:
        builder.paragraph(text)


def _body_text(body: MIMEPart) -> str:
    """The decoded body. A wrong or missing charset in the header falls back to detection."""
    data = body.get_payload(decode=True)
    if not isinstance(data, bytes):
        return ""
    declared = body.get_content_charset()
    try:
        return data.decode(declared or "utf-8")
    except (UnicodeDecodeError, LookupError):
        return decode(data).text


def _header(message: EmailMessage, name: str) -> str:
    try:
        return str(message.get(name, "")).strip()
    except (ValueError, IndexError, AttributeError) as error:  # the parser trips over some broken headers
        raise ParseFailure("file_damaged", f"The header {name} cannot be read: {error}.") from error
