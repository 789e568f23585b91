"""Claims out of questions: a question and its answer become a statement, by safe rules or not at all.

The rules are those of question-to-declarative conversion (Demszky, Guu and Liang, 2018) that need no parser:
the wh-word is the subject, a copula joins two parts, or a known verb tells where the subject of "did" ends.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_IRREGULAR_TEXT = """
    become became, begin began, break broke, bring brought, build built, buy bought, catch caught,
    come came, do did, draw drew, fall fell, feel felt, fight fought, find found, fly flew, forget
    forgot, get got, give gave, go went, grow grew, have had, hear heard, hide hid, hold held, keep
    kept, know knew, lead led, leave left, lose lost, make made, meet met, ride rode, rise rose, run
    ran, say said, see saw, sell sold, send sent, sing sang, sit sat, speak spoke, spend spent,
    stand stood, steal stole, take took, teach taught, tell told, think thought, throw threw, wear
    wore, win won, write wrote
"""
_IRREGULAR = dict(pair.split() for pair in _IRREGULAR_TEXT.split(","))
_REGULAR_TEXT = """
    affect announce appear arrive ask attend believe belong call carry cause change claim close
    collect compare consist contain convince cook create cross cry cure decide defeat describe
    develop die differ discover drop earn end enter escape establish expand explain fail finish
    follow form happen help improve increase influence inherit intend introduce invade invent
    involve join jump kill land last launch learn lie like live look love marry mean mention move
    name need occur open own paint pass pay play predict prevent produce promise protect provide
    publish pull purchase ratify reach receive record reduce refer refuse release remain remove
    replace report represent resign return rule seem serve settle show sign start stay stop study
    suggest support survive tie travel try turn use visit vote wait walk want warn watch wish work
    worship
"""
_REGULAR = frozenset(_REGULAR_TEXT.split())
_S_ENDS = ("s", "x", "ch", "sh", "o", "z")
_PARTICIPLES_TEXT = """
    born built made found founded located held written known named called released published
    established created introduced used filmed set based invented discovered signed formed completed
    opened killed elected defeated buried produced recorded raised educated adopted ratified
    launched played shown given taken abolished assassinated crowned married drafted designed
    developed constructed destroyed
"""
_PARTICIPLES = frozenset(_PARTICIPLES_TEXT.split())
_AUXILIARIES_TEXT = """
    is are was were did do does has have had can could will would should may might
"""
_AUXILIARIES = frozenset(_AUXILIARIES_TEXT.split())
_YEAR = re.compile(r"(?:1[0-9]|20)\d\d")
_PLACE = re.compile(r"(?:in|at|on|near|from|between|along|under|inside|outside|by|to)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Statement:
    """A claim with the place of the answer: text[start:end]."""

    text: str
    start: int
    end: int


def plain(question: str, answer: str) -> Statement:
    """The form that the product checks: the question, then its short answer."""
    return Statement(f"{question} {answer}", len(question) + 1, len(question) + 1 + len(answer))


def declarative(question: str, answer: str) -> Statement | None:
    """A sentence saying what the answer says, or None where no rule is safe."""
    words = question.strip().rstrip("?. ").split()
    answer = answer.strip().rstrip(".")
    if len(words) < 3 or not answer or len(answer.split()) > 15:
        return None
    for rule in (_which_subject, _how_many, _copula, _passive, _did):
        made = rule([words[0].casefold(), words[1].casefold(), *words[2:]], answer)
        if made is not None:
            return _finish(*made)
    return None


def yes_or_no(question: str, *, holds: bool) -> Statement | None:
    """ "Does X help Y?" as "X helps Y" or "X does not help Y"; None where the subject's end is unclear."""
    words = question.strip().rstrip("?. ").split()
    if len(words) < 4 or words[0].casefold() not in ("does", "do", "did", "can", "could", "will"):
        return None
    auxiliary, at = words[0].casefold(), _verb_at(words)
    if at is None:
        return None
    subject, verb, rest = " ".join(words[1:at]), words[at], words[at + 1 :]
    said = f"{auxiliary} not {verb}" if not holds else _inflected(auxiliary, verb)
    text = " ".join([subject, said, *rest])
    return Statement(text[:1].upper() + text[1:] + ".", len(subject) + 1, len(subject) + 1 + len(said))


_Parts = tuple[str, str, str]  # before the answer, the answer, after it


def _finish(before: str, answer: str, after: str) -> Statement:
    text = " ".join(part for part in (before, answer, after) if part)
    start = len(before) + 1 if before else 0
    return Statement(text[:1].upper() + text[1:] + ".", start, start + len(answer))


def _which_subject(words: list[str], answer: str) -> _Parts | None:
    """ "who wrote X" -> "A wrote X": the wh-word is the subject where a full verb follows it."""
    if words[0] == "who" and words[1] not in _AUXILIARIES and not words[1].endswith("'s"):
        return "", answer, " ".join(words[1:])
    if words[:2] == ["what", "happened"]:
        return None
    if words[0] == "what" and words[1] in ("causes", "caused", "makes", "made", "helps"):
        return "", answer, " ".join(words[1:])
    return None


def _how_many(words: list[str], answer: str) -> _Parts | None:
    """ "how many people live in X" -> "60 people live in X"; not where the counted thing is an object."""
    if words[0] != "how" or words[1] != "many" or not re.match(r"[\dA-Za-z]+", answer):
        return None
    if {"did", "do", "does", "has", "have", "had", "can", "will"} & {word.casefold() for word in words[2:]}:
        return None
    if len(answer.split()) > 4:
        return None
    number = re.match(
        r"(?:about |over |nearly |approximately )?[\d.,]+(?: (?:million|billion|thousand))?|\w+", answer
    )
    return None if number is None else ("", number.group(), " ".join(words[2:]))


def _copula(words: list[str], answer: str) -> _Parts | None:
    """ "what is X" -> "X is A", "where is X" -> "X is in A"; only with a plain noun phrase after it."""
    if words[1] not in ("is", "was", "are", "were") or not 1 <= len(words) - 2 <= 9:
        return None
    subject, last = words[2:], words[-1].casefold()
    if last in _PARTICIPLES or last in (
        "for",
        "from",
        "in",
        "of",
        "to",
        "with",
        "on",
        "called",
        "like",
        "made",
    ):
        return None
    if any(_participle(word) for word in subject):
        return None
    if words[0] in ("what", "who"):
        return f"{' '.join(subject)} {words[1]}", answer, ""
    if words[0] == "where":
        return f"{' '.join(subject)} {words[1]}", answer if _PLACE.match(answer) else f"in {answer}", ""
    return None


def _passive(words: list[str], answer: str) -> _Parts | None:
    """ "when was X born" -> "X was born in A": the participle ends the question, or "in" follows it."""
    if words[0] not in ("when", "where") or words[1] not in ("is", "was", "are", "were"):
        return None
    ends = [at for at, word in enumerate(words) if at > 2 and _participle(word)]
    if len(ends) != 1 or ends[0] + 1 < len(words) - 3:
        return None
    subject, verb, rest = words[2 : ends[0]], words[ends[0]], words[ends[0] + 1 :]
    return " ".join([*subject, words[1], verb, *rest]), _when_or_where(words[0], answer), ""


def _did(words: list[str], answer: str) -> _Parts | None:
    """ "when did X join Y" -> "X joined Y in A", "why did X cry" -> "X cried because A"."""
    if words[0] not in ("when", "where", "why", "what", "who") or words[1] not in ("did", "does", "do"):
        return None
    at = _verb_at(words[1:])
    if at is None:
        return None
    at += 1
    said = " ".join([*words[2:at], _inflected(words[1], words[at].casefold()), *words[at + 1 :]])
    if words[0] in ("what", "who"):
        return (said, answer, "") if at == len(words) - 1 and words[at] != "do" else None
    if words[0] == "why":
        joined = (
            answer if re.match(r"(?:because|to|so|for)\b", answer, re.IGNORECASE) else f"because {answer}"
        )
        return said, joined, ""
    return said, _when_or_where(words[0], answer), ""


def _when_or_where(asked: str, answer: str) -> str:
    if _PLACE.match(answer) or re.match(
        r"(?:after|before|during|since|when|until|\d+ )", answer, re.IGNORECASE
    ):
        return answer
    if asked == "when" and not (_YEAR.search(answer) or re.match(r"[A-Z][a-z]+ \d", answer)):
        return answer
    return f"on {answer}" if re.match(r"[A-Z][a-z]+ \d{1,2}\b(?!\d)", answer) else f"in {answer}"


def _participle(word: str) -> bool:
    folded = word.casefold()
    return folded in _PARTICIPLES or (folded.endswith("ed") and len(folded) > 5)


def _verb_at(words: list[str]) -> int | None:
    """Index of the only known verb after the auxiliary and a subject; None where there is a choice."""
    found = [at for at, word in enumerate(words) if at >= 2 and word.casefold() in _VERBS]
    early = [at for at in found if at <= 7]
    return early[0] if len(early) == 1 or (early and words[early[0] - 1][0].isupper()) else None


def _inflected(auxiliary: str, verb: str) -> str:
    if auxiliary == "did":
        return _past(verb)
    if auxiliary == "does":
        return {"have": "has", "do": "does", "go": "goes"}.get(verb) or _third_person(verb)
    return verb if auxiliary == "do" else f"{auxiliary} {verb}"


def _third_person(verb: str) -> str:
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + ("es" if verb.endswith(_S_ENDS) else "s")


def _past(verb: str) -> str:
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    if verb.endswith("e"):
        return verb + "d"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ied"
    return verb + (verb[-1] + "ed" if verb in ("stop", "drop") else "ed")


_VERBS = frozenset(_IRREGULAR) | frozenset(_REGULAR)
