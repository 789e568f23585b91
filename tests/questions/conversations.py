"""Conversations about invented things: follow-ups with what their standalone form must say, and others.

`must` holds what a right rewrite says, `|` between alternatives; `never` what would change the question.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """The question before, the one that follows, and when a rewrite of it is right."""

    earlier: str
    last: str
    must: tuple[str, ...]
    never: tuple[str, ...] = ()

    def right(self, rewritten: str) -> bool:
        """Whether the rewrite says all that it must and nothing that it must not, case aside."""
        text = rewritten.casefold()
        said = all(any(word in text for word in each.casefold().split("|")) for each in self.must)
        return said and not any(word.casefold() in text for word in self.never)


FOLLOW_UPS = (
    Turn("How much does the Wend ferry cost?", "When does it run?", ("wend ferry", "when", "run")),
    Turn(
        "How much does the Wend ferry cost?", "And for children?", ("wend ferry", "children", "cost|how much")
    ),
    Turn("Who leads the Brenn archive?", "Since when?", ("brenn archive", "since when", "lead")),
    Turn("Who leads the Brenn archive?", "What is her phone number?", ("brenn archive", "phone number")),
    Turn("When was Harlow Bridge opened?", "Who built it?", ("harlow bridge", "who built")),
    Turn("When was Harlow Bridge opened?", "How long is it?", ("harlow bridge", "how long")),
    Turn("When was Harlow Bridge opened?", "And who designed it?", ("harlow bridge", "designed")),
    Turn(
        "What is the warranty of the Tarn T4 pump?", "Does it cover seals?", ("tarn t4", "seals", "warranty")
    ),
    Turn("What is the warranty of the Tarn T4 pump?", "And of the T6?", ("t6", "warranty"), ("t4",)),
    Turn("What is the warranty of the Tarn T4 pump?", "How heavy is it?", ("tarn t4", "how heavy")),
    Turn("How many people work at Ostrava Mills?", "Where are they based?", ("ostrava mills", "where")),
    Turn(
        "How many people work at Ostrava Mills?",
        "How many of them are apprentices?",
        ("ostrava mills", "apprentices"),
    ),
    Turn(
        "Which crops grow on the Selby terraces?",
        "When are they harvested?",
        ("selby terraces", "harvested", "crops"),
    ),
    Turn("Which crops grow on the Selby terraces?", "Why?", ("selby terraces", "why", "crops")),
    Turn("What did Ines Valko study?", "Where was she born?", ("ines valko", "where", "born")),
    Turn("What did Ines Valko study?", "Who taught her?", ("ines valko", "who taught")),
    Turn("What did Ines Valko study?", "And her brother?", ("ines valko", "brother", "stud")),
    Turn(
        "How do I reset the Lumen heater?",
        "How often should that be done?",
        ("lumen heater", "reset", "how often"),
    ),
    Turn("How do I reset the Lumen heater?", "What if it fails?", ("lumen heater", "fails")),
    Turn(
        "When does the Marrow library close on Sunday?",
        "And on Monday?",
        ("marrow library", "monday", "close"),
        ("sunday",),
    ),
    Turn(
        "When does the Marrow library close on Sunday?",
        "What about Saturdays?",
        ("marrow library", "saturday", "close"),
        ("sunday",),
    ),
    Turn(
        "When does the Marrow library close on Sunday?",
        "How many books may I borrow there?",
        ("marrow library", "books", "borrow"),
    ),
    Turn(
        "What is the rent of the Quill street flat?",
        "Is heating included?",
        ("quill street", "heating", "rent|flat"),
    ),
    Turn("What is the rent of the Quill street flat?", "Who owns it?", ("quill street flat", "who owns")),
    Turn(
        "What is the rent of the Quill street flat?", "How large is this flat?", ("quill street", "how large")
    ),
    Turn(
        "Which vaccine do the herders of Ulmat use?",
        "What are its side effects?",
        ("ulmat", "vaccine", "side effects"),
    ),
    Turn(
        "Which vaccine do the herders of Ulmat use?",
        "How much do they pay for it?",
        ("ulmat", "vaccine", "pay"),
    ),
    Turn(
        "What does article 7 of the Dorne treaty say?",
        "And article 9?",
        ("article 9", "dorne treaty"),
        ("article 7",),
    ),
    Turn("What does article 7 of the Dorne treaty say?", "Who signed it?", ("dorne treaty", "who signed")),
    Turn(
        "What does article 7 of the Dorne treaty say?",
        "When did it come into force?",
        ("dorne treaty", "into force"),
    ),
    Turn("Who painted The Salt Road?", "What is it worth?", ("the salt road", "worth")),
    Turn("Who painted The Salt Road?", "What else did he paint?", ("the salt road", "else", "paint")),
    Turn("Why was the Kessel line closed?", "Will it be reopened?", ("kessel line", "reopened")),
    Turn(
        "Why was the Kessel line closed?", "How many passengers did it carry?", ("kessel line", "passengers")
    ),
    Turn(
        "What is the maximum load of crane 12?",
        "And of crane 15?",
        ("crane 15", "maximum load"),
        ("crane 12",),
    ),
    Turn("What is the maximum load of crane 12?", "When was it last inspected?", ("crane 12", "inspected")),
    Turn(
        "How many days of leave do new employees get?", "What about part-time staff?", ("part-time", "leave")
    ),
    Turn(
        "How many days of leave do new employees get?",
        "Can they be carried over?",
        ("days of leave|leave days|leave", "carried over"),
    ),
    Turn("Which river flows through Anseld?", "How deep is it?", ("anseld", "river", "how deep")),
    Turn("Which river flows through Anseld?", "Where does it rise?", ("anseld", "river", "rise")),
)

HELD_OUT = (  # written after the rules; no rule was changed for them
    Turn("Where is the Orla hotel?", "How many rooms does it have?", ("orla hotel", "rooms")),
    Turn("Where is the Orla hotel?", "And the Merle inn?", ("merle inn", "where")),
    Turn("When did the Anseld strike begin?", "How long did it last?", ("anseld strike", "how long")),
    Turn("When did the Anseld strike begin?", "Who led it?", ("anseld strike", "who led")),
    Turn(
        "What does the Velm council spend on roads?", "And on schools?", ("velm council", "schools", "spend")
    ),
    Turn(
        "What does the Velm council spend on roads?", "What about parks?", ("velm council", "parks", "spend")
    ),
    Turn("Which metals does the Corvin furnace melt?", "How hot does it get?", ("corvin furnace", "how hot")),
    Turn("Which metals does the Corvin furnace melt?", "Are they recycled?", ("metals", "recycled")),
    Turn("How long may visitors park in zone 3?", "And in zone 5?", ("zone 5", "park"), ("zone 3",)),
    Turn("How long may visitors park in zone 3?", "What does it cost?", ("zone 3", "cost")),
    Turn("What did the 2019 audit of Brenn find?", "And in 2021?", ("2021", "audit", "brenn")),
    Turn("What did the 2019 audit of Brenn find?", "Who carried it out?", ("audit", "brenn", "carried")),
    Turn("Who directs the Lisker choir?", "How many singers does it have?", ("lisker choir", "singers")),
    Turn("Who directs the Lisker choir?", "When do they rehearse?", ("lisker choir", "rehearse")),
    Turn("How is Pell cheese made?", "How long is it aged?", ("pell cheese", "how long")),
    Turn("How is Pell cheese made?", "Why is that?", ("pell cheese", "why")),
    Turn("What is the dose of Ovilan for lambs?", "And for goats?", ("ovilan", "goats", "dose"), ("lambs",)),
    Turn("What is the dose of Ovilan for lambs?", "Can it be given twice?", ("ovilan", "twice")),
    Turn("When was the Torv dam finished?", "What did it replace?", ("torv dam", "replace")),
    Turn("When was the Torv dam finished?", "How much did that cost?", ("torv dam", "cost")),
)

STANDALONE = (
    Turn("How much does the Wend ferry cost?", "How many days of leave are there for new employees?", ()),
    Turn("How much does the Wend ferry cost?", "Who signed the lease of the Brenn warehouse?", ()),
    Turn("Who leads the Brenn archive?", "What does the Tarn T4 pump weigh?", ()),
    Turn("Who leads the Brenn archive?", "When did the Kessel railway company raise its fares?", ()),
    Turn("When was Harlow Bridge opened?", "Which vaccine do the herders of Ulmat give their sheep?", ()),
    Turn("When was Harlow Bridge opened?", "Is there a parking lot at the Marrow library?", ()),
    Turn("What did Ines Valko study?", "What is the name of the lake that feeds the Anseld river?", ()),
    Turn("What did Ines Valko study?", "Why was the Kessel line closed?", ()),
    Turn(
        "What is the rent of the Quill street flat?",
        "Which countries have signed the Dorne treaty so far?",
        (),
    ),
    Turn("What is the rent of the Quill street flat?", "How many cranes stand in the port of Velm?", ()),
    Turn("Who painted The Salt Road?", "How many rooms of the Orla hotel have more than one bed?", ()),
    Turn("Who painted The Salt Road?", "What must visitors of the Tarn plant wear?", ()),
    Turn("Why was the Kessel line closed?", "Are there any fees for late tax returns in Velm?", ()),
    Turn("Why was the Kessel line closed?", "What did the mayor of Anseld say about his salary?", ()),
    Turn("Which river flows through Anseld?", "How long is the guarantee of the Lumen heater?", ()),
    Turn("Which river flows through Anseld?", "What happens to leave days that are not used?", ()),
)
