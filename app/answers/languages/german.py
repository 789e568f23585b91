"""How German asks for a comparison by name, and about a whole corpus.

"Artikel" are no documents here: they are the paragraphs of a contract too, and would be counted wrongly.
"""

from __future__ import annotations

from app.answers.languages.forms import ComparisonForms, CorpusForms, Language, same

_THINGS = r"(?:dokumenten?|dateien|unterlagen|akten|berichten?|briefen?|verträgen?|handbüchern?|texten?)"
_WHOSE = r"(?:die|den|der|meine[rn]?|unsere[rn]?|diese[rn]?)"
_ALL = rf"(?:(?:alle[nr]?|sämtliche[nr]?|beide[nr]?)\s+(?:{_WHOSE}\s+)?|{_WHOSE}\s+){_THINGS}"
_OF = r"(?:(?:der|meiner|unserer|dieser|von\s+(?:den|meinen|unseren|diesen))\s+)?"
# "Nennen sie alle Gründe?" asks whether they do: an order has no question mark, unless it says "can you".
_ORDER = r"(?!.*\?)(?:bitte\s+)?"
_CAN = r"(?:bitte\s+)?(?:kannst\s+du|können\s+sie|könntest\s+du|könnten\s+sie|würdest\s+du|würden\s+sie)\s+"
_ME = r"(?:(?:mir|uns|bitte|einmal|kurz)\s+)*"
_EACH = r"(?:alle|sämtliche|jede[ns]?)"
_ABOUT = r"(?:über|bezüglich|hinsichtlich|zum\s+thema|zum|zur|zu)"
_WHAT_IT_SAYS = rf"was\s+.+?\s+{_ABOUT}\s+(?P<topic>.+?)\s+(?:sag(?:t|en)|steht|stehen|schreib(?:t|en))"
_TERM = r"(?:(?:das\s+wort|die\s+wörter|der\s+begriff|den\s+begriff)\s+)?"
_WORDS = rf"{_TERM}(?P<words>.+)"
_WORDS_STAND = rf"(?:kommt|kommen|wird|werden)\s+{_TERM}(?P<words>.+?)\s+(?:vor|erwähnt|genannt)"
_ENDS = r"(?:\s+(?:voneinander|bei|beim|in\s+bezug|hinsichtlich|bezüglich)\b.*)?"

_CORPUS = CorpusForms(
    summarise=(
        rf"{_ORDER}fass(?:e|en\s+sie)?\s+{_ME}(?:bitte\s+)?zusammen,?\s+{_WHAT_IT_SAYS}",
        rf"{_ORDER}fass(?:e(?!\s+ich\b)|en\s+sie)?\s+{_ME}(?:.*?\büber\s+)?(?P<topic>.+?)\s+"
        r"(?:(?:bitte|kurz)\s+)*zusammen",
        rf"{_CAN}{_ME}(?:.*?\büber\s+)?(?P<topic>.+?)\s+(?:(?:bitte|kurz)\s+)*zusammenfassen",
        rf"{_ORDER}(?:gib|geben\s+sie|schreib(?:e|en\s+sie)?|erstell(?:e|en\s+sie)?)\s+{_ME}eine[n]?\s+"
        r"(?:kurze[n]?\s+)?(?:zusammenfassung|überblick|übersicht)\s+(?:der|des|von|vom|über|zu[rm]?)\s+"
        r"(?P<topic>.+)",
        rf"(?:worum\s+geht\s+es\s+in|wovon\s+handeln|was\s+steht\s+in)\s+{_ALL}",
        rf"was\s+sagen\s+{_ALL}(?:\s+{_ABOUT}\s+(?P<topic>.+))?",
    ),
    listing=(
        rf"welche\s+{_OF}{_THINGS}\s+(?:erwähnen|enthalten)\s+{_WORDS}",
        rf"in\s+welchen\s+{_OF}{_THINGS}\s+{_WORDS_STAND}",
        rf"welche\s+{_OF}{_THINGS}\s+(?:behandeln|handeln\s+von|sprechen\s+von)\s+.+",
        rf"{_ORDER}list(?:e|en\s+sie)\s+{_ME}(?:{_EACH}\s+.+|die\s+.+\s+auf)",
        rf"{_ORDER}nenn(?:e|en\s+sie)?\s+{_ME}{_EACH}\s+.+",
        rf"{_ORDER}zähl(?:e|en\s+sie)?\s+{_ME}{_EACH}\s+.+\s+auf",
        rf"{_CAN}{_ME}{_EACH}\s+.+\s+(?:auflisten|nennen|aufzählen)",
    ),
    compare=(
        # "Vergleiche mit früheren Jahren" and the like are nouns.
        rf"{_ORDER}vergleiche(?:n\s+sie)?\s+(?!(?:mit|zwischen|zu[mr]?|in|im|vo[nm]|aus|sind|waren)\b).+",
        rf"{_CAN}{_ME}.+\s+(?:miteinander\s+)?vergleichen",
        rf"(?:was\s+sind|worin\s+(?:bestehen|liegen))\s+die\s+unterschiede\s+zwischen\s+{_ALL}{_ENDS}",
        rf"welche\s+unterschiede\s+(?:gibt\s+es|bestehen)\s+zwischen\s+{_ALL}{_ENDS}",
        rf"(?:wie|worin)\s+unterscheiden\s+sich\s+{_ALL}{_ENDS}",
    ),
    count=(
        rf"wie\s+viele\s+{_OF}{_THINGS}\s+(?:erwähnen|enthalten|nennen)\s+{_WORDS}",
        rf"in\s+wie\s+vielen\s+{_OF}{_THINGS}\s+{_WORDS_STAND}",
        rf"wie\s+viele\s+.+\s+(?:in|aus|über)\s+(?:allen|sämtlichen)\s+(?:{_WHOSE}\s+)?{_THINGS}\b.*",
    ),
    documents=rf"wie\s+viele\s+{_THINGS}\s+(?:gibt\s+es|sind\s+es|habe\s+ich|haben\s+wir|"
    r"sind\s+(?:hier|da|vorhanden|hochgeladen))(?:\s+(?:hier|insgesamt|hochgeladen))*",
    whole=rf"{_ALL}|{_THINGS}|alles|sie|es|das|dies",
)
_COMPARISON = ComparisonForms(
    begins=(
        r"(?:bitte\s+)?vergleiche?(?:\s+bitte)?\s+(?P<names>.+?)",
        r"(?:was\s+ist|was\s+sind|worin\s+(?:besteht|liegt|bestehen|liegen))\s+(?:der|die)\s+unterschiede?"
        r"\s+zwischen\s+(?P<names>.+?)",
        r"(?:wie|worin)\s+unterscheide[nt]\s+sich\s+(?P<names>.+?)",
        r"was\s+sagen\s+(?P<names>.+?)",
    ),
    about=r"zum\s+thema|in\s+bezug\s+auf|hinsichtlich|bezüglich|bei|zur|zum|zu|über",
    between=r"und|mit|von|gegenüber",
)
GERMAN = Language(
    r"der|die|das|den|dem|des|ein|eine|einen|einem|einer", _CORPUS, _COMPARISON, number_forms=same
)
