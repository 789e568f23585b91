from __future__ import annotations

import pytest

from app.documents.file_names import clean_file_name


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\report.pdf", "report.pdf"),
        ("a\0b\r\n\u202ec.txt", "a\ufffdbc.txt"),
        ("", "unnamed"),
        ("..", "unnamed"),
        ("  räksmörgås 報告.pdf ", "räksmörgås 報告.pdf"),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
        ("x" * 300, "x" * 255),
    ],
)
def test_names_are_safe_to_store_and_show(raw: str, clean: str) -> None:
    assert clean_file_name(raw) == clean
