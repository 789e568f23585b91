"""Files of questions: every form is read as it is, and what is wrong is named with its line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from app.evals.cases import Gold
from app.evals.records import EvalFileInvalid
from app.evals.sets.exporting import as_jsonl
from app.evals.sets.reading import read_set
from tests.conftest import ROOT

SQUAD: dict[str, Any] = {
    "version": "v2.0",
    "data": [
        {
            "title": "Harlow_Bridge",
            "paragraphs": [
                {
                    "context": "Harlow Bridge was opened in May 1931.",
                    "qas": [
                        {
                            "id": "s1",
                            "question": "When was Harlow Bridge opened?",
                            "answers": [
                                {"text": "May 1931", "answer_start": 28},
                                {"text": "May 1931", "answer_start": 28},
                            ],
                            "is_impossible": False,
                        },
                        {"id": "s2", "question": "Who paid for it?", "answers": [], "is_impossible": True},
                    ],
                },
                {"context": "It carries two lanes.", "qas": []},
            ],
        }
    ],
}


def lines(*rows: object) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


def test_our_own_lines_with_every_way_to_name_a_gold(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    own = [{"id": 1, "title": "Hours", "text": "At noon.", "source": "ignored"}]
    path.write_text(
        lines(
            {"id": 7, "question": " When? ", "answers": ["noon"], "passages": own, "gold": [1], "x": 1},
            {"question": "And then?", "history": ["When?"], "answerable": False, "tags": ["late"]},
            {"question": "Which page?", "answers": ["3"], "gold": ["a.pdf#3", "b.pdf", {"document_id": 4}]},
            {"question": "Whose?", "gold": [], "gold_file": "c.pdf", "gold_page": 2},
        )
    )
    first, second, third, fourth = read_set([path]).cases
    assert (first.key, first.question, first.answerable, first.gold) == ("7", "When?", True, (Gold(id="1"),))
    assert first.passages is not None
    assert first.passages[0].title == "Hours"
    assert (second.key, second.history, second.answerable, second.tags) == (
        "line-2",
        ("When?",),
        False,
        ("late",),
    )
    assert third.gold == (Gold(file="a.pdf", page=3), Gold(file="b.pdf"), Gold(document_id=4))
    assert (fourth.gold, fourth.answerable) == ((Gold(file="c.pdf", page=2),), None)


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        ("{broken", "not JSON"),
        ("[1]", "not a JSON object"),
        ({"answers": ["noon"]}, "question"),
        ({"question": "  "}, "must not be blank"),
        ({"question": "When?", "answers": "noon"}, "answers"),
        ({"question": "When?", "answerable": "perhaps"}, "answerable"),
        ({"question": "When?", "answerable": False, "answers": ["noon"]}, "has no answers"),
        ({"question": "When?", "gold": [{"page": 3}]}, "needs an id"),
        ({"question": "When?", "gold": [{"id": "a", "pages": 3}]}, "pages"),
        ({"question": "When?", "passages": [{"id": 1, "text": "x"}], "gold": ["2"]}, "none of the question"),
        ({"id": "a", "question": "When?"}, "used before"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, row: object, cause: str) -> None:
    path = tmp_path / "q.jsonl"
    path.write_text(lines({"id": "a", "question": "Who?"}, "", row))
    with pytest.raises(EvalFileInvalid, match=cause) as raised:
        read_set([path])
    assert raised.value.details == {"file": "q.jsonl", "line": 3}


def test_csv_of_a_spreadsheet(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_bytes(
        "\ufeffQuestion;Answers;Answerable;Gold_File;Gold_Page;Tags\r\n"
        '"When does it open;\r\nand close?";noon | 12:00;yes;a.pdf;2;hours|doors\r\n'
        "\r\n"
        "Who sings?;;no;;;\r\n".encode()
    )
    first, second = read_set([path]).cases
    assert first.question == "When does it open;\nand close?"
    assert (first.answers, first.gold, first.tags) == (
        ("noon", "12:00"),
        (Gold(file="a.pdf", page=2),),
        ("hours", "doors"),
    )
    assert (second.key, second.answerable, second.answers) == ("line-5", False, ())


@pytest.mark.parametrize(
    ("text", "cause", "line"),
    [
        ("question,answer\nWhen?,noon\n", "unknown column 'answer'", 1),
        ("id,answers\n1,noon\n", "no column 'question'", 1),
        ("question,answers\nWhen?,noon\nWho?,a,b\n", "3 cells instead of 2", 3),
        ("question,answerable\nWhen?,maybe\n", "yes or no", 2),
        ('question,answers\n"When?,noon\n', "not CSV", 2),
        ("question,answers\n", "no questions", None),
    ],
)
def test_bad_csv_is_named_with_its_line(tmp_path: Path, text: str, cause: str, line: int | None) -> None:
    path = tmp_path / "q.csv"
    path.write_text(text)
    with pytest.raises(EvalFileInvalid, match=cause) as raised:
        read_set([path])
    assert raised.value.details["line"] == line


def test_squad_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "dev.json.gz"
    path.write_bytes(gzip.compress(json.dumps(SQUAD).encode()))
    read = read_set([path])
    assert [(d.key, d.title, d.text) for d in read.corpus] == [
        ("1-1", "Harlow Bridge", "Harlow Bridge was opened in May 1931."),
        ("1-2", "Harlow Bridge", "It carries two lanes."),
    ]
    asked, impossible = read.cases
    assert (asked.key, asked.answers, asked.answerable, asked.gold) == (
        "s1",
        ("May 1931",),
        True,
        (Gold(id="1-1"),),
    )
    assert (impossible.answerable, impossible.gold) == (False, ())
    path = tmp_path / "broken.json"
    path.write_text(json.dumps({"data": [{"paragraphs": [{"qas": []}]}]}))
    with pytest.raises(EvalFileInvalid, match=r"data\.0\.paragraphs\.0\.context"):
        read_set([path])


def beir(
    folder: Path, qrels: str = "query-id\tcorpus-id\tscore\n1\td1\t2\n1\td2\t0\n3\td2\t1\n"
) -> list[Path]:
    (folder / "qrels").mkdir()
    (folder / "corpus.jsonl").write_text(
        lines(
            {"_id": "d1", "title": "Gate", "text": "It opens at six.", "metadata": {}},
            {"_id": "d2", "title": "", "text": "Lunch at noon."},
            {"_id": "d3", "title": "", "text": ""},
        )
    )
    (folder / "queries.jsonl").write_text(
        lines(
            *(
                {"_id": str(number), "text": text}
                for number, text in enumerate(("gate", "unjudged", "noon"), 1)
            )
        )
    )
    (folder / "qrels" / "test.tsv").write_text(qrels)
    return [folder / "corpus.jsonl", folder / "queries.jsonl", folder / "qrels" / "test.tsv"]


def test_a_beir_folder_or_its_three_files(tmp_path: Path) -> None:
    files = beir(tmp_path)
    read = read_set([tmp_path])
    assert [document.key for document in read.corpus] == ["d1", "d2"]  # an empty one holds nothing to find
    assert [(case.key, case.gold) for case in read.cases] == [
        ("1", (Gold(id="d1", grade=2),)),  # grade 0 says what an absent judgement says
        ("3", (Gold(id="d2"),)),
    ]
    files[2] = files[2].rename(tmp_path / "my-qrels.tsv")
    assert read_set(list(reversed(files))) == read
    with pytest.raises(EvalFileInvalid, match="queries is missing"):
        read_set([files[0], files[2]])


def test_judgements_must_fit_their_corpus(tmp_path: Path) -> None:
    beir(tmp_path, "1\tabsent\t1\n")
    with pytest.raises(EvalFileInvalid, match="'absent', named for query '1', is not in the corpus"):
        read_set([tmp_path])


def test_however_many_documents_were_judged_irrelevant(tmp_path: Path) -> None:
    beir(tmp_path, "1\td1\t1\n" + "".join(f"1\tx{number}\t0\n" for number in range(1200)) + "3\td2\t-1\n")
    gate, noon = read_set([tmp_path]).cases
    assert gate.gold == (Gold(id="d1"),)
    assert (noon.gold, noon.answerable) == ((), None)


def test_bad_judgements_and_queries_are_named_with_their_file(tmp_path: Path) -> None:
    files = beir(tmp_path, "1\td1\t101\n")
    with pytest.raises(EvalFileInvalid, match=r"test\.tsv: query '1': grade: .* 100"):
        read_set([tmp_path])
    files[2].write_text("1\td1\t1\n")
    files[1].write_text(lines({"_id": "1", "text": "  "}))
    with pytest.raises(EvalFileInvalid, match=r"queries\.jsonl, line 1: text: .* blank"):
        read_set([tmp_path])


def test_an_exported_set_is_read_again(tmp_path: Path) -> None:
    cases = read_set([ROOT / "samples" / "questions.jsonl"]).cases
    assert len(cases) == 16
    assert all(gold.file for case in cases for gold in case.gold)
    assert sum(gold.page is not None for case in cases for gold in case.gold) > 5
    path = tmp_path / "again.jsonl"
    path.write_text(as_jsonl(cases))
    assert read_set([path]).cases == cases


@pytest.mark.shared
@pytest.mark.parametrize("name", ["nfcorpus", "scifact"])
def test_published_beir_sets(shared_data: Path, name: str) -> None:
    read = read_set([shared_data / "dev" / name])
    assert len(read.cases) > 100
    assert len(read.corpus) > 1000
