"""Mail through the standard library: the header lines a reader sees, the body, the attachments' names.

Read here and not by the office library, which lost the body of a signed message.
"""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage, MIMEPart
from typing import Final

from selectolax.lexbor import LexborHTMLParser

from ingest.builder import DocumentBuilder
from ingest.decode import decode
from ingest.failures import ParseFailure
from ingest.parsers.html import add_html
from ingest.source import Source
from ingest.types import ParsedDocument

_SHOWN_HEADERS: Final = ("From", "To", "Cc", "Date")


def parse_mail(source: Source) -> ParsedDocument:
    """A message; the plain body is preferred to the HTML one. Attachments are named, not read."""
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
    names = [part.get_filename() or part.get_content_type() for part in message.iter_attachments()]
    if names:
        builder.paragraph("Attachments: " + ", ".join(names))
    warnings = (
        (f"{len(names)} attachments were not read; upload them as files of their own.",) if names else ()
    )
    return builder.build(source.media_type, title=subject, warnings=warnings)


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
