"""Rows are computed only where neither the question nor the cells leave anything to guess."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from fastapi.testclient import TestClient

from app.answers import corpus_sources
from app.answers.stored_tables import numeric, tables_of
from tests.app.asking import ask, upload

COMPANIES = "Company,Employees,City\nAcme,120,Oslo\nVelm,80,Bergen\nTarn,45,Oslo\n"
PEOPLE = "Name,City,Phone,Age\nAnn,Oslo,555-1,40\nBob,Velm,,\nCid,Oslo,555-3,30\nDan,Oslo,555-4,20\n"
REVENUE = "Country,Revenue\nIS,10\nIN,20\nIT,30\nAT,40\nBE,50\nNO,60\n"
GRADES = "Product,Grade,Stock\nBolt,A,1\nNut,B,2\nPin,A,3\n"


def computed(client: TestClient, question: str) -> str | None:
    """The answer where it was computed over rows."""
    answer = ask(client, question)
    is_over_rows = answer["basis"] is not None and answer["basis"]["method"] == "rows"
    return answer["answer"] if is_over_rows else None


def test_a_count_of_rows_is_not_the_figure_of_a_column(client: TestClient) -> None:
    upload(client, {"companies.csv": COMPANIES})
    assert computed(client, "How many employees are there?") is None
    assert computed(client, "How many employees have the city Oslo?") is None
    assert computed(client, "How many cities does Acme have?") is None
    assert computed(client, "How many companies are in Oslo?") == "• 2 of 3 rows of companies.csv [1]"
    over = computed(client, "How many companies have over 50 employees?")
    assert over == "• 2 of 3 rows of companies.csv [1]"
    answer = ask(client, "How many employees does Acme have?")
    assert (answer["answer"], answer["basis"]["kind"]) == ("• Acme: Employees 120 [1]", "count")
    assert [citation["text"] for citation in answer["citations"]] == [
        "Company: Acme | Employees: 120 | City: Oslo"
    ]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("How many people have a phone?", None),
        ("Which people have a phone?", None),
        ("Which people have an age?", None),
        (
            "Which people have the city Oslo and an age?",
            "• Ann: Age 40 [1]\n• Cid: Age 30 [1]\n• Dan: Age 20 [1]",
        ),
        ("How many people have a city?", None),  # one city is that of three people
        ("How many people have the city Oslo?", "• 3 of 4 rows of people.csv [1]"),
    ],
)
def test_rows_with_nothing_in_a_column_that_is_named_do_not_count_for_it(
    client: TestClient, question: str, answer: str | None
) -> None:
    upload(client, {"people.csv": PEOPLE})
    assert computed(client, question) == answer


def test_a_row_with_one_cell_may_be_a_heading_and_is_not_counted(client: TestClient) -> None:
    upload(client, {"stock.csv": "Product,Stock\nBolt,5\nNuts,\nWing nut,7\n"})
    assert computed(client, "How many products are there?") is None
    assert computed(client, "What is the total stock?") == "• Sum of Stock: 12 over 2 rows of stock.csv [1]"


def test_codes_that_are_ordinary_words_are_those_that_are_spelled_so(client: TestClient) -> None:
    upload(client, {"sales.csv": REVENUE})
    everything = "• Sum of Revenue: 210 over 6 rows of sales.csv [1]"
    assert computed(client, "What is the total revenue?") == everything
    assert computed(client, "what is the total revenue in the sales?") == everything
    italy = computed(client, "What is the total revenue in IT?")
    assert italy == "• Sum of Revenue: 30 over 1 rows of sales.csv [1]"
    assert computed(client, "What is the total revenue in IT or IN?") == (
        "• Sum of Revenue: 50 over 2 rows of sales.csv [1]"
    )
    least = "How many rows have a revenue of no less than 30?"
    assert computed(client, least) == "• 4 of 6 rows of sales.csv [1]"
    assert computed(client, "WHAT IS THE TOTAL REVENUE?") is None  # of Iceland?
    assert computed(client, "What is the total revenue in it?") is None


def test_a_value_of_one_letter_is_no_article(client: TestClient) -> None:
    upload(client, {"parts.csv": GRADES})
    assert computed(client, "How many products have grade A?") == "• 2 of 3 rows of parts.csv [1]"
    assert computed(client, "What is the total stock of a product with grade B?") == (
        "• Sum of Stock: 2 over 1 rows of parts.csv [1]"
    )
    assert computed(client, "What is the total stock of grade a products?") is None
    assert computed(client, "Which grade has the highest stock?") is None


@pytest.mark.parametrize(
    "rows",
    [
        "Bolt,M4,5\nNut,M4,50\nTotal,,55\n",
        "Bolt,M4,5\nBolt total,,5\nNut,M4,50\n",
        "Bolt,M4,5\nNut,M4,50\nZwischensumme: 2,,55\nPin,M4,2\n",
        "Bolt,M4,5\nNut,M4,50\n,Grand total:,55\n",
        "Bolt,M4,5\nNuts,,\nWing nut,M4,50\n",  # a heading
    ],
)
def test_totals_and_headings_among_rows_leave_nothing_exact(client: TestClient, rows: str) -> None:
    upload(client, {"stock.csv": f"Product,Thread,Stock\n{rows}"})
    for question in ("What is the total stock?", "Which product has the highest stock?"):
        assert computed(client, question) is None
    assert computed(client, "How many products are there?") is None


@pytest.mark.parametrize(
    ("cells", "total"),
    [
        (["(200)", "\u22125", '"1,000"'], "795"),
        (["-$5", "$7"], "2"),
        (["1 day", "3 days"], "4"),
        (["n/a", *["2"] * 9], "18"),
        (["500 g", "3 kg"], None),
        (['"0,125"', '"1,250"'], None),
        (['"1,250"', '"3,5"'], None),
        (["1.234", "2.500"], None),  # of a German table?
        (['"1.234,50"', *["500"] * 9], None),
        (["1 234", *["500"] * 9], None),
        (["5-", "6"], None),
        (["<5", "6"], None),
    ],
)
def test_figures_are_summed_where_their_cells_are_certain(
    client: TestClient, cells: Sequence[str], total: str | None
) -> None:
    rows = "".join(f"P{number},{cell}\n" for number, cell in enumerate(cells))
    upload(client, {"stock.csv": f"Product,Amount\n{rows}"})
    answer = computed(client, "What is the total amount?")
    assert (answer.split(" over ")[0] if answer else None) == (total and f"• Sum of Amount: {total}")
    assert computed(client, "How many amounts are there?") is None


@pytest.mark.parametrize("minus", ["-", "\u2212"])
def test_a_bound_below_zero_is_not_read_as_one_above(client: TestClient, minus: str) -> None:
    upload(client, {"days.csv": "Day,Degrees\nMonday,-7\nTuesday,3\nFriday,8\n"})
    assert computed(client, f"How many days have degrees over {minus}5?") is None
    assert computed(client, "How many days have degrees over 5?") == "• 1 of 3 rows of days.csv [1]"


def test_a_decimal_comma_in_another_column_leaves_thousands_open() -> None:
    text = "Part: A | Price: 3,50 | Weight: 1,250\nPart: B | Price: 12,99 | Weight: 2,500"
    (table,) = tables_of(1, "parts.csv", text)
    assert (numeric(table, "Price"), numeric(table, "Weight")) == (True, False)


def test_a_table_that_is_too_large_takes_no_room_from_those_behind_it(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(client, {"large.csv": "Product,Colour\n" + "Velm heater,red\n" * 20, "sales.csv": REVENUE})
    monkeypatch.setattr(corpus_sources, "MOST_TABLE_CHARACTERS", 300)
    answer = ask(client, "What is the total revenue?")
    assert answer["answer"] == "• Sum of Revenue: 210 over 6 rows of sales.csv [1]"
    assert answer["basis"]["note"].endswith("1 further spreadsheets were not read.")
    words = "How many red products are sold in Velm?"
    note = ask(client, words, config={"evidence_threshold": 0.0})["basis"]["note"]
    assert "not every word of the question" in note
    assert note.endswith("; 1 spreadsheets are too many or too large for one question.")
    monkeypatch.setattr(corpus_sources, "MOST_TABLE_CHARACTERS", 10)
    note = ask(client, words, config={"evidence_threshold": 0.0})["basis"]["note"]
    assert note.endswith("No rows were computed: 2 spreadsheets are too many or too large for one question.")
