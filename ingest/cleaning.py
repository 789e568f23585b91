"""Characters that no part of the product can use: NUL, controls, lone surrogates, odd line breaks.

PostgreSQL rejects NUL, terminals act on controls, and offsets need one kind of line break. What is removed
is counted, and the count reaches the quality report.
"""

from __future__ import annotations

import re
from typing import Final

REPLACEMENT: Final = "\ufffd"

_LINE_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029]")
_TERMINAL_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_NOT_CHARACTERS = re.compile("[\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def clean(text: str) -> tuple[str, int]:
    """`text` with `\\n` line breaks and without controls, and how many characters that cost.

    Tabs stay. Lone surrogates and noncharacters become U+FFFD, because something stood there.
    """
    text = _LINE_BREAKS.sub("\n", text)
    text, colours = _TERMINAL_COLOUR.subn("", text)
    text, controls = _CONTROLS.subn("", text)
    text, invalid = _NOT_CHARACTERS.subn(REPLACEMENT, text)
    return text, colours + controls + invalid
