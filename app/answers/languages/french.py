"""How French asks for a comparison by name, and about a whole corpus.

"Articles" are no documents here: they are the paragraphs of a contract too, and would be counted wrongly.
"""

from __future__ import annotations

from app.answers.languages.forms import ComparisonForms, CorpusForms, Language

_THINGS = r"(?:documents|fichiers|rapports|contrats|lettres|courriers|dossiers|manuels|textes)"
_WHOSE = r"(?:les|mes|nos|ces|tes|vos)"
_ALL = rf"(?:tou(?:s|tes)\s+)?{_WHOSE}\s+(?:deux\s+)?{_THINGS}"
_OF = rf"(?:de|d['’]|parmi)\s*(?:{_WHOSE}\s+)?"
# An order has no question mark, unless it says "can you".
_CAN = r"(?:peux-tu|pouvez-vous|pourrais-tu|pourriez-vous|tu\s+peux|vous\s+pouvez)\s+(?:(?:me|nous)\s+)?"
_PLEASE = r"(?:s['’]il\s+(?:te|vous)\s+pla[îi]t,?\s+|veuillez\s+)?"
_ASKING = rf"(?:{_PLEASE}{_CAN}|(?!.*\?){_PLEASE})"
_ME = r"(?:[- ](?:moi|nous))?"
_EACH = r"(?:tous|toutes|chaque)"
_ABOUT = r"(?:sur|concernant|à\s+propos\s+(?:de|du|des)|au\s+sujet\s+(?:de|du|des))"
_WORDS = r"(?:(?:le\s+mot|les\s+mots|le\s+terme)\s+)?(?P<words>.+)"
_WORDS_STAND = rf"(?:figure(?:nt)?|appara[îi](?:t|ssent)|trouve-t-on|mentionne-t-on)\s+{_WORDS}"
_ENDS = r"(?:\s+(?:sur|concernant|quant|en\s+matière|à\s+propos|au\s+sujet|en\s+ce\s+qui)\b.*)?"
_READY = r"(?:\s+(?:ici|en\s+tout|au\s+total))*"

_CORPUS = CorpusForms(
    summarise=(
        rf"{_ASKING}résume[rz]?{_ME}\s+(?:.*?\s{_ABOUT}\s+)?(?P<topic>.+)",
        rf"{_ASKING}(?:donne[rz]?|écri(?:s|vez|re)|fai(?:s|tes|re)|rédige[rz]?){_ME}\s+une?\s+"
        r"(?:bref\s+|brève\s+|court\s+|courte\s+)?(?:résumé|synthèse|aperçu)\s+(?:de\s+|du\s+|des\s+|d['’])"
        r"(?P<topic>.+)",
        rf"de\s+quoi\s+(?:parlent|traitent)\s+{_ALL}",
        rf"que\s+(?:disent|contiennent)\s+{_ALL}(?:\s+{_ABOUT}\s+(?P<topic>.+))?",
    ),
    listing=(
        rf"quels?(?:le)?s?\s+{_THINGS}\s+(?:mentionnent|contiennent)\s+{_WORDS}",
        rf"les?quel(?:le)?s\s+{_OF}{_THINGS}\s+(?:mentionnent|contiennent)\s+{_WORDS}",
        rf"dans\s+quel(?:le)?s\s+{_THINGS}\s+{_WORDS_STAND}",
        rf"quel(?:le)?s\s+{_THINGS}\s+(?:parlent|traitent)\s+(?:de|du|des|d['’])\s*.+",
        rf"{_ASKING}(?:liste|énumère|énumére|cite|nomme)[rz]?{_ME}\s+{_EACH}\s+.+",
        rf"{_ASKING}liste[rz]?{_ME}\s+les\s+.+",
        rf"{_ASKING}donne[rz]?{_ME}\s+la\s+liste\s+de\s+(?:tous|toutes)\s+.+",
    ),
    compare=(
        rf"{_ASKING}compare[rz]?{_ME}\s+.+",
        rf"quelles\s+sont\s+les\s+différences\s+entre\s+{_ALL}{_ENDS}",
        rf"en\s+quoi\s+(?:diffèrent\s+{_ALL}|{_ALL}\s+diffèrent(?:-ils|-elles)?){_ENDS}",
    ),
    count=(
        rf"combien\s+{_OF}{_THINGS}\s+(?:mentionnent|contiennent|citent)\s+{_WORDS}",
        rf"dans\s+combien\s+{_OF}{_THINGS}\s+{_WORDS_STAND}",
        rf"combien\s+.+\s+dans\s+(?:tous|toutes|l['’]ensemble\s+de)\s+{_WHOSE}\s+{_THINGS}\b.*",
    ),
    documents=rf"combien\s+(?:(?:de|d['’])\s*{_THINGS}\s+(?:y\s+a-t-il|ai-je|avons-nous|y\s+a)"
    rf"|(?:y\s+a-t-il|ai-je|avons-nous)\s+(?:de|d['’])\s*{_THINGS}){_READY}",
    whole=rf"{_ALL}|{_THINGS}|tout|tout\s+(?:cela|ça)|cela|ça",
)
_COMPARISON = ComparisonForms(
    begins=(
        r"(?:peux-tu\s+|pouvez-vous\s+)?compare[rz]?\s+(?P<names>.+?)",
        r"(?:quelle\s+est\s+la|quelles\s+sont\s+les)\s+différences?\s+entre\s+(?P<names>.+?)",
        r"que\s+disent\s+(?P<names>.+?)",
    ),
    about=r"à\s+propos\s+(?:de|du|des)|en\s+ce\s+qui\s+concerne|concernant|au\s+sujet\s+(?:de|du|des)|sur",
    between=r"et|avec|à|au",
)
_BOTH_NUMBERS = ("as", "ds", "ès", "is", "os", "ps", "ss", "us")  # or one of them: repas, poids, mois, temps


def number_forms(word: str) -> tuple[str, ...]:
    """A French word as it is, and its plural or singular in -s where that is sure: lettres, but mois."""
    lower = word.casefold()
    if lower.endswith((*_BOTH_NUMBERS, "x", "z")):
        return (word,)
    return (word, word[:-1]) if lower.endswith("s") else (word, f"{word}s")


FRENCH = Language(r"les?|la|l['’]|une?|du|des", _CORPUS, _COMPARISON, number_forms)
