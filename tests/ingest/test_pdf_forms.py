"""What was written into PDF forms, of both kinds."""

from __future__ import annotations

import numpy as np
from reportlab.pdfgen.canvas import Canvas

from tests.ingest.conftest import ParseBytes
from tests.ingest.samples import pdf

TEMPLATE = (
    '<template xmlns="http://www.xfa.org/schema/xfa-template/3.3/"><subform><draw><value>'
    "<text>Application for leave</text></value></draw></subform></template>"
)
DATASETS = (
    '<xfa:datasets xmlns:xfa="http://www.xfa.org/schema/xfa-data/1.0/"><xfa:data><form>'
    "<FamilyName>Byron &amp; Söhne</FamilyName><Days>12</Days><Empty/></form></xfa:data></xfa:datasets>"
)


def filled_form(canvas: Canvas) -> None:
    canvas.drawString(72, 700, "Given name:")
    canvas.acroForm.textfield(
        name="given", tooltip="Given name", value="Ada", x=200, y=690, width=120, height=20
    )
    canvas.acroForm.textfield(name="middle", tooltip="Middle name", x=200, y=660, width=120, height=20)
    canvas.acroForm.checkbox(name="driver", tooltip="Driving licence", checked=True, x=200, y=630)
    canvas.acroForm.checkbox(name="pilot", tooltip="Pilot", checked=False, x=200, y=600)


def xfa(*packets: tuple[str, str]) -> bytes:
    """A PDF whose page asks to wait, as a form program writes it; its cross references are left to repair."""
    streams = [content.encode() for _, content in packets]
    names = " ".join(f"({name}) {number} 0 R" for number, (name, _) in enumerate(packets, 10))
    objects = [
        b"1 0 obj <</Type/Catalog/NeedsRendering true/Pages 2 0 R/AcroForm<</Fields[]/XFA[%s]>>>> endobj"
        % names.encode(),
        b"2 0 obj <</Type/Pages/Kids[3 0 R]/Count 1>> endobj",
        b"3 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 4 0 R"
        b"/Resources<</Font<</F 5 0 R>>>>>> endobj",
        b"4 0 obj <</Length 44>> stream\nBT /F 12 Tf 20 100 Td (Please wait...) Tj ET \nendstream endobj",
        b"5 0 obj <</Type/Font/Subtype/Type1/BaseFont/Helvetica>> endobj",
        *(
            b"%d 0 obj <</Length %d>> stream\n%s\nendstream endobj" % (number, len(content), content)
            for number, content in enumerate(streams, 10)
        ),
    ]
    return b"%PDF-1.7\n" + b"\n".join(objects) + b"\ntrailer <</Root 1 0 R/Size 20>>\n%%EOF\n"


def test_what_was_filled_in_stands_below_the_page_with_the_name_of_its_field(parse_bytes: ParseBytes) -> None:
    parsed = parse_bytes(pdf(filled_form), "form.pdf")
    assert parsed.text.startswith("Given name:\nGiven name: Ada\nDriving licence: ")
    assert "Middle" not in parsed.text
    assert "Pilot" not in parsed.text
    boxes = parsed.pages[0].boxes
    assert boxes is not None
    np.testing.assert_allclose(boxes[parsed.text.index("Ada")], [200, 690, 320, 710], atol=1)


def test_a_form_without_entries_is_its_page(parse_bytes: ParseBytes) -> None:
    def empty(canvas: Canvas) -> None:
        canvas.drawString(72, 700, "Name:")
        canvas.acroForm.textfield(name="name", x=200, y=690, width=120, height=20)

    assert parse_bytes(pdf(empty), "form.pdf").text == "Name:\n\n"


def test_an_xfa_form_gives_its_words_and_values_and_a_warning(parse_bytes: ParseBytes) -> None:
    parsed = parse_bytes(xfa(("template", TEMPLATE), ("datasets", DATASETS)), "form.pdf")
    assert parsed.text == ("Please wait...\n\nApplication for leave\nFamilyName: Byron & Söhne\nDays: 12\n\n")
    assert any("XFA" in warning for warning in parsed.warnings)


def test_an_xfa_form_with_entities_or_broken_parts_keeps_its_page(parse_bytes: ParseBytes) -> None:
    hostile = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><x>&e;</x>'
    parsed = parse_bytes(xfa(("template", "<cut"), ("datasets", hostile)), "form.pdf")
    assert parsed.text == "Please wait...\n\n"
