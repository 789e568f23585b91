"""Text that addresses a language model: found and shown to people, never obeyed."""

from __future__ import annotations

import re
from typing import Final

MAX_EXCERPTS: Final = 10
_CONTEXT_CHARS: Final = 80
_ADDRESSES_MODEL = re.compile(
    r"""\b(?:ignore|disregard|forget|override|bypass)\b[^.\n]{0,40}
          \b(?:instructions?|prompts?|rules|guidelines|question|context|everything)\b
      | \byou\s+are\s+(?:now\s+)?(?:an?\s+)?(?:ai|llm|chatbot|assistant|language\s+model|large\s+language)\b
      | \b(?:system|hidden|developer)\s+prompt\b
      | \b(?:dear|attention|instructions?\s+(?:to|for))\W+(?:the\s+|any\s+|all\s+)?(?:ai|llms?|assistants?)\b
      | \bas\s+an\s+ai\b | \bif\s+you\s+are\s+(?:an?\s+)?(?:ai|llm|language\s+model)\b
      | \b(?:answer|respond|reply|output)\s+(?:only|exactly|always)\b[^.\n]{0,20}\b(?:with|the|as|in)\b
      | \bdo\s+not\s+(?:reveal|mention|disclose)\b[^.\n]{0,30}\b(?:instruction|prompt|user)s?\b
      | <\|(?:im_start|im_end|system|endoftext)\|> | \[/?INST\] | <<SYS>> | <start_of_turn>
      | ^\#{2,}\s*(?:system|instruction|assistant)s?\s*: """,
    re.I | re.X | re.M,
)


def instruction_like(text: str) -> tuple[str, ...]:
    """Up to MAX_EXCERPTS excerpts of `text` around phrases that address a model, in order."""
    excerpts: list[str] = []
    end = 0
    for found in _ADDRESSES_MODEL.finditer(text):
        if found.start() < end:  # already inside the last excerpt
            continue
        end = found.end() + _CONTEXT_CHARS
        around = text[max(found.start() - _CONTEXT_CHARS, 0) : end]
        excerpts.append(" ".join(around.split()))
        if len(excerpts) == MAX_EXCERPTS:
            break
    return tuple(excerpts)
