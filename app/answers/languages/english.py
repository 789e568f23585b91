"""How English asks for a comparison by name, and about a whole corpus."""

from __future__ import annotations

from app.answers.languages.forms import ComparisonForms, CorpusForms, Language
from app.answers.words import number_forms

_COUNTED = r"(?:documents?|files?|papers?|reports?|articles?|contracts?|letters?|sources|uploads?)"
_THINGS = rf"(?:{_COUNTED}|collections?)"
_WHOSE = r"(?:the|my|our|these|those)"
_OF = r"(?:of\s+(?:the|my|our|these)\s+)?"
_ALL = rf"(?:(?:all|every|each|both)\s+(?:of\s+)?(?:{_WHOSE}\s+)?|{_WHOSE}\s+){_THINGS}"
_ASKING = r"(?:(?:please|can\s+you|could\s+you|would\s+you)\s+)*"
_ABOUT = r"(?:about|on|regarding|concerning|of)"
_WORDS = r"(?:the\s+(?:words?|terms?)\s+)?(?P<words>.+)"
_SUMMARY = r"an?\s+(?:short\s+|brief\s+)?(?:summary|overview)\s+of"

_CORPUS = CorpusForms(
    summarise=(
        rf"{_ASKING}(?:summari[sz]e|sum\s+up)\b(?:.*?\b{_ABOUT}\s+)?\s*(?P<topic>.*)",
        rf"{_ASKING}(?:give|write)\s+(?:me\s+)?{_SUMMARY}\s+(?P<topic>.+)",
        rf"what\s+(?:are|do)\s+(?:all\s+)?(?:{_ALL}|they\s+all)\s+(?:about|say|cover)\b"
        rf"(?:.*?\b{_ABOUT}\s+(?P<topic>.+)|.*)",
    ),
    listing=(
        rf"(?:which|what)\s+{_OF}{_THINGS}\s+(?:mention|contain)s?\s+{_WORDS}",
        rf"(?:which|what)\s+{_OF}{_THINGS}\s+(?:mention|contain|discuss|cover).*",
        rf"{_ASKING}(?:list|enumerate|name)\s+(?:all|every|each)\b.*",
        rf"{_ASKING}list\s+the\b.*",
    ),
    compare=(
        rf"{_ASKING}compare\b.*",
        rf".*\b(?:compare|comparison|differences?|differ)\b.*\b(?:between|across|among|in)\s+{_ALL}\b.*",
    ),
    count=(
        rf"(?:in\s+)?how\s+many\s+{_OF}{_THINGS}\s+(?:do\s+|does\s+)?(?:mention|contain|name)s?\s+{_WORDS}",
        rf"(?:in\s+)?how\s+many\s+{_OF}{_THINGS}\s+(?:are\s+(?:there|here)|do\s+(?:i|we)|have\s+(?:i|we)).*",
        rf"how\s+many\b.*\b(?:in\s+total|altogether|across|in\s+all)\b.*\b{_THINGS}\b.*",
    ),
    # Collections are counted nowhere: what is counted here are documents.
    documents=rf"how\s+many\s+(?:of\s+)?(?:{_WHOSE}\s+)?{_COUNTED}"
    r"\s+(?:are\s+there|do\s+(?:i|we)\s+have|have\s+(?:i|we))(?:\s+(?:in\s+total|altogether|here|uploaded))*",
    whole=rf"{_ALL}|everything|all|it|them|this",
)
_COMPARISON = ComparisonForms(
    begins=(
        rf"{_ASKING}compare\s+(?P<names>.+?)",
        r"(?:what\s+(?:is|are)\s+the|what's\s+the)\s+differences?\s+between\s+(?P<names>.+?)",
        r"how\s+do(?:es)?\s+(?P<names>.+?)\s+(?:differ|compare)",
        r"what\s+do\s+(?P<names>.+?)\s+say",
    ),
    about=r"on|about|regarding|concerning|as\s+to|in\s+terms\s+of|when\s+it\s+comes\s+to|with\s+respect\s+to",
    between=r"and|with|to|from|against|versus|vs\.?",
)
ENGLISH = Language(r"the|an?", _CORPUS, _COMPARISON, number_forms, keeps_articles=True)
