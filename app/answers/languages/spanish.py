"""How Spanish asks for a comparison by name, and about a whole corpus.

"Artículos" are no documents here: they are the paragraphs of a contract too, and would be counted wrongly.
"""

from __future__ import annotations

from app.answers.languages.forms import ComparisonForms, CorpusForms, Language

_THINGS = r"(?:documentos|archivos|ficheros|informes|contratos|cartas|expedientes|manuales|textos)"
_WHOSE = r"(?:l[oa]s|mis|nuestr[oa]s|est[oa]s|es[oa]s|tus|sus)"
_ALL = rf"(?:tod[oa]s\s+)?{_WHOSE}\s+(?:dos\s+)?{_THINGS}"
_OF = rf"(?:de\s+{_WHOSE}\s+)?"
# "¿Resume el informe los datos?" asks whether it does: an order has no question mark, or it says "can you".
_PLEASE = r"(?:por\s+favor,?\s+)?"
_CAN = rf"{_PLEASE}(?:puedes?|podr[íi]as?)\s+(?:(?:me|nos)\s+)?{_PLEASE}"
_ASKING = rf"(?:{_CAN}|(?!.*\?){_PLEASE})"
_ME = r"(?:me|nos)?"
_EACH = r"(?:tod[oa]s|cada)"
_ANY = r"(?:el|la|lo|l[oa]s|al?|tod[oa]s?|cada|amb[oa]s|mis?|nuestr[oa]s?|est[aeo]s?)"
_ABOUT = r"(?:sobre|acerca\s+del?|con\s+respecto\s+al?|en\s+cuanto\s+al?)"
_WORDS = r"(?:(?:la\s+palabra|las\s+palabras|el\s+término)\s+)?(?P<words>.+)"
_WORDS_STAND = rf"(?:aparecen?|figuran?|se\s+mencionan?)\s+{_WORDS}"
_ENDS = rf"(?:\s+{_ABOUT}\s+.+)?"

_CORPUS = CorpusForms(
    summarise=(
        rf"{_ASKING}res[uú]m(?:e|a|ir){_ME}\s+(?={_ANY}\b)(?:.*?\s{_ABOUT}\s+)?(?P<topic>.+)",
        rf"{_ASKING}(?:ha(?:z|ga|cer)|escrib(?:e|a|ir)|d[ae]|dar){_ME}\s+un(?:a)?\s+(?:breve\s+)?"
        r"(?:resumen|síntesis)\s+(?:breve\s+)?(?:del?|sobre)\s+(?P<topic>.+)",
        rf"de\s+qu[eé]\s+(?:tratan|hablan)\s+{_ALL}",
        rf"qu[eé]\s+dicen\s+{_ALL}(?:\s+{_ABOUT}\s+(?P<topic>.+))?",
    ),
    listing=(
        rf"(?:qu[eé]|cu[aá]les\s+de\s+{_WHOSE})\s+{_THINGS}\s+(?:mencionan|contienen)\s+{_WORDS}",
        rf"en\s+qu[eé]\s+{_THINGS}\s+{_WORDS_STAND}",
        rf"qu[eé]\s+{_THINGS}\s+(?:tratan|hablan)\s+(?:del?|sobre)\s+.+",
        rf"{_ASKING}(?:enumer|list|nombr|cit)(?:a|e|ar){_ME}\s+{_EACH}\s+.+",
        rf"{_ASKING}(?:enumer|list)(?:a|e|ar){_ME}\s+l[oa]s\s+.+",
    ),
    compare=(
        rf"{_ASKING}comp[aá]r(?:a|e|ar){_ME}\s+{_ANY}\s+.+",
        rf"cu[aá]les\s+son\s+las\s+diferencias\s+entre\s+{_ALL}{_ENDS}",
        rf"en\s+qu[eé]\s+se\s+diferencian\s+{_ALL}{_ENDS}",
    ),
    count=(
        rf"cu[aá]nt[oa]s\s+{_OF}{_THINGS}\s+(?:mencionan|contienen|nombran)\s+{_WORDS}",
        rf"en\s+cu[aá]nt[oa]s\s+{_OF}{_THINGS}\s+{_WORDS_STAND}",
        rf"cu[aá]nt[oa]s\s+.+\s+en\s+tod[oa]s\s+{_WHOSE}\s+{_THINGS}\b.*",
    ),
    documents=rf"cu[aá]nt[oa]s\s+{_THINGS}\s+(?:hay|tengo|tenemos|existen)"
    r"(?:\s+(?:aqu[íi]|en\s+total|subid[oa]s))*",
    whole=rf"{_ALL}|{_THINGS}|todo|todo\s+(?:esto|eso)|esto|eso",
)
_COMPARISON = ComparisonForms(
    begins=(
        r"(?:por\s+favor\s+)?compar[ae]r?\s+(?P<names>.+?)",
        r"(?:cuál\s+es\s+la|cuáles\s+son\s+las)\s+diferencias?\s+entre\s+(?P<names>.+?)",
        r"qué\s+dicen\s+(?P<names>.+?)",
    ),
    about=r"en\s+cuanto\s+a|con\s+respecto\s+a|acerca\s+de|sobre",
    between=r"y|e|con",
)
_FINAL = tuple("dlnrsjy")  # consonants that can end a word


def number_forms(word: str) -> tuple[str, ...]:
    """A Spanish word as it is, and its plural or singular by rule: luz, luces; carta, cartas; but mes."""
    lower = word.casefold()
    if lower.endswith("s") and len(word) <= 4:  # mes, gas, país: "me" is another word
        return (word,)
    if lower.endswith("ces"):
        return word, f"{word[:-3]}z", word[:-1]  # luces of luz, doces of doce
    if lower.endswith("es") and lower[-3:-2] in _FINAL:
        return word, word[:-2], word[:-1]  # meses of mes, nombres of nombre
    if lower.endswith("s"):
        return word, word[:-1]
    if lower.endswith("z"):
        return word, f"{word[:-1]}ces"
    return word, f"{word}{'s' if lower[-1:] in 'aeiouáéó' else 'es'}"


SPANISH = Language(r"el|la|los|las|un|una|al|del", _CORPUS, _COMPARISON, number_forms)
