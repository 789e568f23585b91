"""Questions that rows answer exactly, and those that they are not asked."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from app.answers import corpus_sources
from app.answers.cell_numbers import number
from app.answers.stored_tables import tables_of
from app.answers.table_question import row_question
from tests.app.asking import ask, upload
from tests.fakes import EchoGenerator

FERRY = "# Ferry\n\nThe Wend ferry runs every twenty minutes in summer.\n"
PUMPS = (
    'Product,Price (EUR),Stock,Colour\nTarn T4,"1,240.50",12,red\nTarn T6,2100,3,blue\n'
    "Lumen heater,89,40,red\nKessel fan,45.25,0,green\n"
)
TEXT = (
    "Product: Tarn T4 | Price (EUR): 1,240.50 | Stock: 12 | Colour: red\n"
    "Product: Tarn T6 | Price (EUR): 2100 | Stock: 3 | Colour: blue\n"
    "Product: Lumen heater | Price (EUR): 89 | Stock: 40 | Colour: red"
)


@pytest.mark.parametrize(
    ("cell", "value"),
    [("1,240.50", 1240.5), ("89", 89.0), ("€ 12", 12.0), ("3,5 kg", 3.5), ("-4", -4.0), ("T4", None),
     ("12 March", None), ("EUR 7", 7.0), ("1.2.3", None), ("", None), ("(1,200)", -1200.0), ("\u22124", -4.0),
     ("-€ 4", -4.0), ("(-4)", None), ("0,125", 0.125), ("12,34,567", None), ("4-", None), ("~4", None)],
)  # fmt: skip
def test_numbers_of_cells(cell: str, value: float | None) -> None:
    assert number(cell) == value


@pytest.mark.parametrize(
    ("question", "operation", "rows"),
    [
        ("How many products are red?", "count", 2),
        ("How many products have a price over 1000?", "count", 2),
        ("How many red products have a stock of at most 12?", "count", 1),
        ("Which products are blue?", "list", 1),
        ("List all products with a stock of at least 10", "list", 2),
        ("What is the total stock?", "sum", 3),
        ("What is the average price of the red products?", "average", 2),
        ("Which product has the highest price?", "highest", 3),
        ("How many rows are in the price list?", "count", 3),
        ("How many products are made in Velm?", None, 0),  # no cell says Velm
        ("How many customers are there?", None, 0),
        ("Which product do customers like?", None, 0),
        ("How many red products cost more than 100?", None, 0),  # no column is called cost
        ("Who sells the red Tarn T4?", None, 0),
        ("How many products are red or blue?", "count", 3),
        ("List all products that are blue or red", "list", 3),
        ("How many products are red and blue?", None, 0),  # both at once, or of both kinds?
        ("How many products are red or have a stock over 10?", None, 0),
        ("What is the total stock of the products with a price over 1000?", "sum", 2),
    ],
)
def test_rows_are_only_asked_what_their_columns_say(question: str, operation: str | None, rows: int) -> None:
    (table,) = tables_of(1, "price-list.csv", TEXT)
    asked = row_question(question, table)
    assert (asked.operation if asked else None) == operation
    if asked is not None:
        assert len(asked.matching(table)) == rows


TICKETS = "\n".join(
    f"Ticket: {ticket} | Reporter: {reporter} | Assignee: {assignee}"
    for ticket, reporter, assignee in (("T1", "Ann", "Bob"), ("T2", "Bob", "Ann"), ("T3", "Bob", "Ann"))
)
GROWTH = "Year: 2022 | GDP: 510 | Debt: 7\nYear: 2023 | GDP: 530 | Debt: 5\nYear: 2024 | GDP: 520 | Debt: 9"


@pytest.mark.parametrize(
    ("question", "tickets"),
    [
        ("How many tickets have the reporter Ann?", 1),
        ("How many tickets have the assignee Ann?", 2),
        ("How many tickets have Ann?", None),
        ("How many tickets have the reporter Ann and the assignee Bob?", None),
    ],
)
def test_a_value_of_several_columns_is_looked_for_in_the_one_that_is_named(
    question: str, tickets: int | None
) -> None:
    (table,) = tables_of(1, "tickets.csv", TICKETS)
    asked = row_question(question, table)
    assert (len(asked.matching(table)) if asked else None) == tickets


@pytest.mark.parametrize(
    ("question", "column"),
    [
        ("Which year had the highest GDP?", "GDP"),
        ("Which year had the lowest debt?", "Debt"),
        ("What is the average GDP of years from 2023?", "GDP"),
        ("What was the debt when the GDP was highest?", None),  # which of both is wanted is a guess
        ("What is the debt of the year with the highest GDP?", None),
    ],
)
def test_a_figure_is_that_of_the_column_named_behind_the_operation(question: str, column: str | None) -> None:
    (table,) = tables_of(1, "growth.csv", GROWTH)
    asked = row_question(question, table)
    assert (asked.column if asked else None) == column


def test_rows_with_empty_cells_are_counted(client: TestClient) -> None:
    upload(client, {"people.csv": "Name,City\nAnn,Oslo\nBob,\nCid,Oslo\nDan,Oslo\n"})
    assert ask(client, "How many rows have the city Oslo?")["answer"].startswith(
        "• 3 of 4 rows of people.csv"
    )


@pytest.mark.parametrize(
    "rows",
    [
        "Ann,Oslo\nBob | Ben,Oslo\nCid,Oslo\nDan,Oslo\n",  # the sign between cells in a cell
        "Ann,Oslo\nBob,Oslo,late\nCid,Oslo\nDan,Oslo\n",  # a cell without a name
        "Bob,Oslo,late\nAnn,Oslo\nCid,Oslo\nDan,Oslo\n",
        "Bob,\nAnn,Oslo\nCid,Oslo\nDan,Oslo\n",
        "Ann,Oslo\nCid,Oslo\nDan,Oslo\nNot counted: Bob,\n",  # a note below the rows
    ],
)
def test_where_a_row_cannot_be_read_nothing_is_called_exact(client: TestClient, rows: str) -> None:
    upload(client, {"people.csv": f"Name,City\n{rows}"})
    answer = ask(client, "How many rows have the city Oslo?")
    assert answer["basis"] is None or answer["basis"]["method"] != "rows"


def test_more_rows_than_one_question_may_read_are_left_alone(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(client, {"pumps.csv": PUMPS})
    monkeypatch.setattr(corpus_sources, "MOST_TABLE_CHARACTERS", 100)
    assert ask(client, "How many products are red?")["basis"]["method"] == "passages"


def test_tables_that_were_not_read_are_named_where_others_were(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload(client, {"pumps.csv": PUMPS, "more.csv": PUMPS.replace("Tarn", "Velm")})
    monkeypatch.setattr(corpus_sources, "MOST_TABLES", 1)
    note = ask(client, "How many products are red?")["basis"]["note"]
    assert "4 rows of pumps.csv" in note
    assert note.endswith("1 further spreadsheets were not read.")


def test_a_row_longer_than_a_passage_is_cited_as_far_as_the_passage_goes(client: TestClient) -> None:
    note = "The pump was looked at by two people and found to be in order. " * 60
    upload(client, {"pumps.csv": f"Product,Note,Colour\nTarn T4,{note},red\nTarn T6,{note},blue\n"})
    answer = ask(client, "How many products are red?")
    assert answer["answer"].startswith("• 1 of 2 rows")
    (citation,) = answer["citations"]
    page = client.get(f"/v1/documents/{citation['document_id']}/pages/1").json()["text"]
    assert page[citation["start"] : citation["end"]] == citation["text"]


def test_prose_is_no_table() -> None:
    assert tables_of(1, "a.txt", "Note: the ferry runs.\nPrice: 4.50 crowns | a ticket\nNothing else.") == []


def test_sheets_are_tables_of_their_own_and_units_may_be_left_out() -> None:
    text = "Articles\n\nArticle: A | In stock: 9 | Price in euros: 5\n"
    text += "Article: B | In stock: 12 | Price in euros: 7\n\nServices\n\n"
    text += "Code: S | Price in euros: 1\nCode: T | Price in euros: 3"
    articles, services = tables_of(1, "list.xlsx", text)
    assert (articles.name, services.name) == ("list.xlsx, Articles", "list.xlsx, Services")
    assert [text[row.start : row.end] for row in services.rows][1] == "Code: T | Price in euros: 3"
    asked = row_question("How many articles have a stock of at least 10?", articles)
    assert asked is not None
    assert [row.cells["Article"] for row in asked.matching(articles)] == ["B"]
    assert row_question("How many articles have a stock of at least 10?", services) is None
    for table in (articles, services):
        average = row_question("What is the average price in euros?", table)
        assert average is not None
        assert (average.operation, average.column) == ("average", "Price in euros")


def test_a_count_over_rows_is_exact_and_cites_them(client: TestClient, generator: EchoGenerator) -> None:
    upload(client, {"pumps.csv": PUMPS, "ferry.md": FERRY})
    answer = ask(client, "How many products are red?")
    assert answer["answer"].startswith("• 2 of 4 rows of pumps.csv [1]")
    assert (answer["state"], answer["grounding"], answer["basis"]["method"]) == (
        "answered",
        "grounded",
        "rows",
    )
    assert [citation["text"].split(" | ")[0] for citation in answer["citations"]] == [
        "Product: Tarn T4",
        "Product: Lumen heater",
    ]
    page = client.get(f"/v1/documents/{answer['citations'][0]['document_id']}/pages/1").json()["text"]
    assert all(page[cited["start"] : cited["end"]] == cited["text"] for cited in answer["citations"])
    assert generator.prompts == []
    total = ask(client, "What is the total stock of the red products?")
    assert total["answer"] == "• Sum of Stock: 52 over 2 rows of pumps.csv [1]"
    highest = ask(client, "Which product has the highest price?")
    assert highest["answer"] == "• Tarn T6: Price (EUR) 2100 [1]"
    (citation,) = highest["citations"]
    claim = highest["answer"][citation["claim_start"] : citation["claim_end"]]
    assert claim == "Tarn T6: Price (EUR) 2100 [1]"


def test_rows_out_of_scope_are_not_counted(client: TestClient) -> None:
    _, ferry = upload(client, {"pumps.csv": PUMPS, "ferry.md": FERRY})
    answer = ask(client, "How many products are red?", document_ids=[ferry])
    assert answer["basis"] is None


def test_rows_that_were_not_computed_are_said_not_to_be(client: TestClient) -> None:
    upload(client, {"pumps.csv": PUMPS})
    answer = ask(client, "How many red Tarn pumps are sold in Velm?", config={"evidence_threshold": 0.0})
    assert answer["basis"]["method"] == "passages"
    assert "No rows were computed" in answer["basis"]["note"]
