"""Mails as programs send them: every text and every attachment, however deep the parts are nested."""

from __future__ import annotations

import pytest

from ingest.types import ParsedDocument
from tests.ingest.conftest import ParseBytes

PNG = "\x89PNG"


def part(content_type: str, body: str, disposition: str = "") -> str:
    stated = f"Content-Disposition: {disposition}\n" if disposition else ""
    return f"Content-Type: {content_type}\n{stated}\n{body}\n"


def multipart(kind: str, *parts: str) -> str:
    boundary = f"of-{sum(map(len, parts))}"  # one that holds others is longer
    body = "".join(f"--{boundary}\n{each}" for each in parts)
    return part(f"multipart/{kind}; boundary={boundary}", f"{body}--{boundary}--")


PLAIN = part("text/plain", "Words.")
HTML = part("text/html", "<p>Page.</p>")
FOOTER = part("text/plain", "Footer.")
CALENDAR = part("text/calendar; method=REQUEST", "BEGIN:VCALENDAR")
FILE = part("text/csv", "a,b", "attachment; filename=plan.csv")
LOG = part("text/plain", "Started.", "inline; filename=log.txt")
SIGNATURE = part("application/pgp-signature", "-----BEGIN PGP SIGNATURE-----")
FORWARDED = part("message/rfc822", "Subject: Old\nFrom: b@x.example\n\nOld words.")
PICTURE = part("image/png; name=logo.png", f"{PNG}...")
WITH_FILE = "Attachments: plan.csv\n\nplan.csv\n\na | b"


def read(parse_bytes: ParseBytes, content: str) -> ParsedDocument:
    return parse_bytes(f"From: a@x.example\nMIME-Version: 1.0\n{content}".encode("latin-1"), "a.eml")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (multipart("mixed", HTML, FOOTER), "Page.\n\nFooter."),
        (multipart("mixed", PLAIN, FILE, FOOTER), f"Words.\n\nFooter.\n\n{WITH_FILE}"),
        (multipart("alternative", PLAIN, multipart("mixed", HTML, FILE, HTML)), f"Words.\n\n{WITH_FILE}"),
        (
            multipart("mixed", multipart("alternative", PLAIN, multipart("related", HTML, FILE))),
            f"Words.\n\n{WITH_FILE}",
        ),
        (
            multipart("mixed", multipart("alternative", PLAIN, HTML), LOG, FOOTER),
            "Words.\n\nFooter.\n\nAttachments: log.txt\n\nlog.txt\n\nStarted.",
        ),
        (multipart("signed", multipart("mixed", PLAIN, FILE), SIGNATURE), f"Words.\n\n{WITH_FILE}"),
        (
            multipart("mixed", PLAIN, FORWARDED),
            "Words.\n\nAttachments: message.eml\n\nmessage.eml\n\nOld\n\nFrom: b@x.example\n\nOld words.",
        ),
        (FILE, WITH_FILE),
        (part("multipart/mixed; boundary=gone", "Words."), "Words."),
    ],
    ids=[
        "a page before a footer",
        "texts around a file",
        "a file in the second form",
        "a file behind a page",
        "a text that is a file",
        "signed",
        "forwarded",
        "nothing but a file",
        "a lost boundary",
    ],
)
def test_every_text_and_every_attachment_is_read(parse_bytes: ParseBytes, content: str, text: str) -> None:
    parsed = read(parse_bytes, content)
    assert parsed.text == f"From: a@x.example\n\n{text}"
    assert parsed.warnings == ()


@pytest.mark.parametrize(
    ("forms", "text"),
    [
        ((PLAIN, HTML), "Words."),
        ((HTML, PLAIN), "Words."),
        ((part("text/plain", ""), HTML), "Page."),
        ((HTML, CALENDAR), "Page."),
        ((part("text/html", "<p>Old.</p>"), HTML), "Page."),
        ((CALENDAR,), "Attachments: text/calendar\n\ntext/calendar\n\nBEGIN:VCALENDAR"),
    ],
)
def test_of_several_forms_one_is_read(parse_bytes: ParseBytes, forms: tuple[str, ...], text: str) -> None:
    assert read(parse_bytes, multipart("alternative", *forms)).text == f"From: a@x.example\n\n{text}"


def test_pictures_in_place_are_named_where_the_page_is_the_whole_mail(parse_bytes: ParseBytes) -> None:
    page = multipart("related", HTML, PICTURE)
    (warning,) = read(parse_bytes, page).warnings
    assert warning.startswith("logo.png was not read")
    inside = read(parse_bytes, multipart("mixed", page, FILE))
    assert inside.text == f"From: a@x.example\n\nPage.\n\n{WITH_FILE}"
    assert inside.warnings == ()


def test_headers_body_and_attachments_are_shown_and_hidden_text_is_counted(parse_bytes: ParseBytes) -> None:
    mail = (
        "From: Ada <ada@x.example>\nTo: bo@x.example\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n"
        "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n--B\n"
        "Content-Type: text/html; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n"
        "<p>Stra=DFe</p><p hidden>no</p>\n--B\nContent-Type: text/csv\n"
        "Content-Disposition: attachment; filename=list.csv\n\na,b\n--B--\n"
    )
    parsed = parse_bytes(mail.encode(), "a.eml")
    assert parsed.text == (
        "Grüße\n\nFrom: Ada <ada@x.example>\nTo: bo@x.example\n\nStraße\n\nAttachments: list.csv\n\n"
        "list.csv\n\na | b"
    )
    assert parsed.title == "Grüße"
    assert [page.label for page in parsed.pages] == [None, "list.csv"]
    assert parsed.warnings == ("1 hidden elements were left out.",)
