"""Questions about the sample collection with their answers: a first test set anyone can run in a minute."""

from __future__ import annotations

from typing import NamedTuple


class Question(NamedTuple):
    """One record; `page` counts from 1 and is None where the file has no pages."""

    question: str
    answers: tuple[str, ...] = ()
    file: str | None = None
    page: int | None = None


ANSWERABLE = (
    Question(
        "Who is the managing director of Lumenfjord?", ("Ingrid Solheim-Okafor",), "employee-handbook.pdf", 1
    ),
    Question(
        "By when do carried-over leave days lapse?", ("31 May", "on 31 May"), "employee-handbook.pdf", 2
    ),
    Question(
        "Within how many hours must a lost or stolen laptop be reported?",
        ("two hours", "within two hours", "2 hours"),
        "employee-handbook.pdf",
        3,
    ),
    Question(
        "At what forecast wind speed are trips on the water cancelled?",
        ("12 metres per second", "above 12 metres per second", "when it exceeds 12 metres per second"),
        "employee-handbook.pdf",
        4,
    ),
    Question(
        "How many days was the assembly line stopped after the fire at Corvane Metals?",
        ("nineteen days", "nineteen", "19 days"),
        "annual-report-2025.pdf",
        1,
    ),
    Question(
        "What was the revenue from gateways in 2025?",
        ("7.3 million euros", "7.3"),
        "annual-report-2025.pdf",
        2,
    ),
    Question(
        "How deep is the test shaft in Orrelby?",
        ("22 metres", "22 metres of water"),
        "annual-report-2025.pdf",
        3,
    ),
    Question(
        "How much does the company pay for a kilometre in a private car?",
        ("0.38 euros", "0.38 euros a kilometre"),
        "travel-and-expense-policy.docx",
    ),
    Question(
        "How deep can the Pellucid 4D be deployed?", ("600 metres", "to 600 metres"), "pellucid-4-faq.html"
    ),
    Question(
        "What do three short amber flashes mean?",
        ("the wiper is blocked", "that the wiper is blocked"),
        "pellucid-4-faq.html",
    ),
    Question(
        "Which version of Marshwell ended support for the Pellucid 2?",
        ("5.2", "version 5.2"),
        "marshwell-release-notes.md",
    ),
    Question(
        "What does the Reedlight gateway with solar panel cost?",
        ("1690 euros", "1690", "1,690 euros"),
        "price-and-stock-list.xlsx",
        1,
    ),
)

UNANSWERABLE = (
    Question("What is the salary of the managing director?"),
    Question("How much does the Pellucid 4 weigh?"),
    Question("Which bank lends money to Lumenfjord?"),
    Question("When will the Pellucid 5 be released?"),
)


def records() -> list[dict[str, object]]:
    """Records of `footnote eval answers`, with the gold file and page added."""
    return [
        {
            "id": f"sample-{number:02d}",
            "question": item.question,
            "answers": list(item.answers),
            "answerable": bool(item.answers),
            "gold": [],
            "gold_file": item.file,
            "gold_page": item.page,
        }
        for number, item in enumerate((*ANSWERABLE, *UNANSWERABLE), start=1)
    ]
