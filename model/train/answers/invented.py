"""Passages with questions about invented things: tables, lists, yes and no, numbers with units, near misses.

Written by rule, so that no answer can be known from elsewhere; each passage also gives questions that it
almost answers.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

_SYLLABLES = (
    "bar", "dor", "fen", "gil", "har", "jun", "kel", "lom", "mar", "nor", "os",
    "per", "quen", "ros", "sal", "tor", "ul", "ver", "wen", "yar", "zel",
)  # fmt: skip
_ENDINGS = ("a", "en", "o", "is", "ick", "ane", "ou", "by", "stead", "um")
_THINGS = (
    "pump", "lamp", "drill", "kettle", "sensor", "valve", "scale", "heater",
    "mixer", "printer", "fan", "saw", "camera", "tent", "bicycle",
)  # fmt: skip
_FIELDS: dict[str, tuple[str, Callable[[random.Random], str]]] = {
    "price": (
        "What is the price of {}?",
        lambda r: f"{r.randint(2, 990)}.{r.choice(('00', '50', '95'))} crowns",
    ),
    "weight": ("How much does {} weigh?", lambda r: f"{r.randint(1, 90)}.{r.randint(0, 9)} kg"),
    "power": ("What is the power of {}?", lambda r: f"{r.randint(2, 240) * 10} W"),
    "length": ("How long is {}?", lambda r: f"{r.randint(5, 300)} cm"),
    "warranty": ("How long is the warranty of {}?", lambda r: f"{r.randint(1, 10)} years"),
    "stock": ("How many of {} are in stock?", lambda r: str(r.randint(0, 4000))),
    "colour": (
        "Which colour is {}?",
        lambda r: r.choice(("grey", "navy blue", "red", "white", "olive green")),
    ),
    "supplier": ("Who supplies {}?", lambda r: f"{invented_name(r)} {r.choice(('Ltd', 'AG', 'and Sons'))}"),
}
_FACTS: tuple[tuple[str, str, Callable[[random.Random], str]], ...] = (
    (
        "{} gives its staff {} of paid leave a year.",
        "How much paid leave does {} give?",
        lambda r: f"{r.randint(18, 35)} days",
    ),
    (
        "In {} the library closes at {}.",
        "When does the library in {} close?",
        lambda r: f"{r.randint(15, 22)}:{r.choice(('00', '30'))}",
    ),
    (
        "The annual fee in {} is {}.",
        "What is the annual fee in {}?",
        lambda r: f"{r.randint(20, 400)} crowns",
    ),
    ("{} was founded in {}.", "When was {} founded?", lambda r: str(r.randint(1650, 2019))),
    ("The mayor of {} is {}.", "Who is the mayor of {}?", lambda r: f"{invented_name(r)} {invented_name(r)}"),
    (
        "The bridge at {} may carry at most {}.",
        "How much may the bridge at {} carry?",
        lambda r: f"{r.randint(2, 60)} tonnes",
    ),
    (
        "Visitors of {} must report to {} first.",
        "Where must visitors of {} report first?",
        lambda r: r.choice(("the gatehouse", "the east desk", "the harbour office", "room 12")),
    ),
    (
        "The emergency number of {} is {}.",
        "What is the emergency number of {}?",
        lambda r: f"{r.randint(100, 999)} {r.randint(1000, 9999)}",
    ),
)
_RULES = (
    ("Dogs", "allowed in the garden"),
    ("Visitors", "allowed to park in the yard"),
    ("Apprentices", "paid for overtime"),
    ("Members", "charged for lockers"),
    ("Guests", "admitted after nine in the evening"),
    ("Returns", "accepted without a receipt"),
    ("Tenants", "permitted to repaint the walls"),
    ("Children", "admitted free of charge"),
    ("Samples", "stored below five degrees"),
)
_GOODS = (
    "gloves",
    "a torch",
    "spare fuses",
    "two batteries",
    "a carrying strap",
    "a printed manual",
    "cleaning cloths",
    "a steel hook",
    "sealing tape",
    "a charger",
)


@dataclass(frozen=True, slots=True)
class InventedPassage:
    """A passage with what it answers and what it does not."""

    text: str
    answered: list[tuple[str, str]]  # question, answer
    unanswered: list[str]


def invented_name(chance: random.Random) -> str:
    """A capitalised word of two or three syllables."""
    return ("".join(chance.sample(_SYLLABLES, chance.randint(1, 2))) + chance.choice(_ENDINGS)).capitalize()


def invented_passage(chance: random.Random) -> InventedPassage:
    """One passage of any kind."""
    return chance.choice((_table, _facts, _facts, _rules, _list))(chance)


def _table(chance: random.Random) -> InventedPassage:
    """Rows with their header, written as the parsers write tables."""
    fields = chance.sample(sorted(_FIELDS), chance.randint(3, 5))
    shown, hidden = fields[:-1], fields[-1]
    items = list(
        dict.fromkeys(
            f"{invented_name(chance)} {chance.choice(_THINGS)}" for _ in range(chance.randint(3, 8))
        )
    )
    rows = {item: {field: _FIELDS[field][1](chance) for field in shown} for item in items}
    mark = chance.choice((" | ", "; ", "\t"))
    lines = [mark.join(("item", *shown))] + [
        mark.join((item, *cells.values())) for item, cells in rows.items()
    ]
    if chance.random() < 0.4:  # every cell with its header, as rows are written once a table is cut
        lines = [
            ", ".join((f"item: {item}", *(f"{field}: {cell}" for field, cell in cells.items())))
            for item, cells in rows.items()
        ]
    answered = [
        (_FIELDS[field][0].format(f"the {item}"), cells[field])
        for item, cells in rows.items()
        for field in shown
    ]
    other = f"the {invented_name(chance)} {chance.choice(_THINGS)}"
    unanswered = [
        _FIELDS[hidden][0].format(f"the {chance.choice(items)}"),
        _FIELDS[shown[0]][0].format(other),
    ]
    return InventedPassage("\n".join(lines), answered, unanswered)


def _facts(chance: random.Random) -> InventedPassage:
    """The same facts of several places: the right one must be picked."""
    places = list(dict.fromkeys(invented_name(chance) for _ in range(chance.randint(2, 4))))
    kinds = chance.sample(_FACTS, 4)
    answered, sentences = [], []
    for place in places:
        for statement, question, make in chance.sample(kinds[:3], chance.randint(2, 3)):
            value = make(chance)
            sentences.append(statement.format(place, value))
            answered.append((question.format(place), value))
    asked = {question for question, _ in answered}
    possible = [
        question.format(place) for place in (*places, invented_name(chance)) for _, question, _ in kinds
    ]
    return InventedPassage(
        " ".join(sentences), answered, [question for question in possible if question not in asked]
    )


def _rules(chance: random.Random) -> InventedPassage:
    """Statements that are asked as yes-or-no questions."""
    chosen = chance.sample(_RULES, 5)
    stated, absent = chosen[:3], chosen[3:]
    sentences, answered = [], []
    for who, what in stated:
        yes = chance.random() < 0.5
        sentences.append(f"{who} are {'' if yes else 'not '}{what}.")
        answered.append((f"Are {who.lower()} {what}?", "Yes" if yes else "No"))
    place = invented_name(chance)
    unanswered = [f"Are {who.lower()} {what}?" for who, what in absent]
    return InventedPassage(f"Rules of {place}: " + " ".join(sentences), answered, unanswered)


def _list(chance: random.Random) -> InventedPassage:
    """Something with parts."""
    parts = chance.sample(_GOODS, chance.randint(2, 5))
    thing = f"{invented_name(chance)} {chance.choice(_THINGS)}"
    joined = ", ".join(parts[:-1]) + f" and {parts[-1]}"
    year = str(chance.randint(1990, 2024))
    text = (
        f"The {thing} has been made since {year}. It comes with {joined}. Everything else is sold separately."
    )
    answered = [
        (f"What does the {thing} come with?", joined),
        (f"Since when has the {thing} been made?", year),
    ]
    other = invented_name(chance)
    return InventedPassage(
        text, answered, [f"What does the {other} come with?", f"Who designed the {thing}?"]
    )
