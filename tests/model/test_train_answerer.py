"""The answerer's recipe: what it reads and the packs it makes."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from pathlib import Path

import pytest

from model.train.answers.data import (
    Chunk,
    Item,
    load_answers,
    split_chunks,
)
from model.train.answers.follow_ups import follow_ups, names
from model.train.answers.invented import invented_passage
from model.train.answers.mix import MAX_PACK_TOKENS, best_answer
from model.train.answers.noise import dirty, planted, restyled
from model.train.answers.rows import load_rows
from model.train.data import Passage, split_of
from tests.model.invented_answers import SPLITS, maker_of, own_row, write_data, write_own, write_rows
from tests.model.tiny_decoders import END


def text_of(tokens: list[int]) -> str:
    return bytes(token for token in tokens if token < 256).decode()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


def test_splits_share_no_document(folder: Path) -> None:
    documents = [{chunk.document for chunk in load_answers(folder, split).chunks} for split in SPLITS]
    assert all(documents)
    assert not documents[0] & documents[1]
    assert not documents[0] & documents[2]


def test_a_training_chunk_that_repeats_held_out_text_is_removed_and_counted(tmp_path: Path) -> None:
    write_data(tmp_path)
    with gzip.open(tmp_path / "passages.jsonl.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    passages = [Passage(row["text"], row["title"], row["set"], row["title"]) for row in rows]
    copied = next(passage for passage in passages if split_of(passage) == "test")
    repeated = next(n for n, passage in enumerate(passages) if split_of(passage) == "train")
    rows[repeated]["text"] = copied.text + " Indeed."
    write_rows(tmp_path / "passages.jsonl.gz", rows)
    data = load_answers(tmp_path, "train")
    assert data.removed_chunks >= 1
    assert all(data.chunks[item.chunk].text != rows[repeated]["text"] for item in data.items)


def test_chunks_are_whole_sentences_up_to_the_limit() -> None:
    text = "One is short. Two is a little longer. Three."
    assert split_chunks(text, 40) == ["One is short. Two is a little longer.", "Three."]
    assert split_chunks("word " * 30, 40)[0] == "word word word word word word word word"
    assert " ".join(split_chunks(text, 20)).split() == text.split()


def test_packs_say_where_the_answer_stands_or_that_it_does_not(folder: Path) -> None:
    data = load_answers(folder, "train")
    asked = [item for item in data.items if item.source == "qa_qed_nq"]
    facts = {item.question.casefold().rstrip("?"): best_answer(item) for item in asked}
    stream = maker_of(data).packs(random.Random(3))
    seen = Counter[str]()
    for _ in range(150):
        pack = next(stream)
        assert pack.tokens <= MAX_PACK_TOKENS
        passages = {text_of(passage).split("]")[0][1:]: text_of(passage) for passage in pack.passages}
        for branch in pack.branches:
            question = (
                text_of(branch.prompt).removeprefix("\nQ: ").removesuffix("\nA:").casefold().rstrip("?")
            )
            answer = text_of(branch.target)
            assert branch.target[-1] == END
            if question not in facts or not pack.passages:
                continue
            if answer == " [0]":
                assert not any(facts[question] in text for text in passages.values())
                seen["refused"] += 1
            else:
                given, _, number = answer.strip().rstrip("]").rpartition(" [")
                assert given == facts[question]
                assert given.replace("- ", "") in passages[number].replace("- ", "")
                seen["answered", pack.mask] += 1  # type: ignore[index]
    assert min(seen["refused"], seen["answered", "full"], seen["answered", "block"]) > 20  # type: ignore[index]


def test_the_same_seed_makes_the_same_packs(folder: Path) -> None:
    data = load_answers(folder, "train")
    first, second = (maker_of(data).packs(random.Random(3)) for _ in range(2))
    assert [next(first) for _ in range(20)] == [next(second) for _ in range(20)]


def test_long_answers_keep_their_markers_under_new_numbers(folder: Path) -> None:
    data = load_answers(folder, "train")
    pack = maker_of(data).cited(random.Random(1))
    assert pack is not None
    answer = text_of(pack.branches[0].target)
    numbers = {
        text_of(passage).split("] ")[1].strip(): text_of(passage).split("]")[0][1:]
        for passage in pack.passages
    }
    assert answer == f" Because of rain [{numbers['Rain falls.']}]. And wind [{numbers['Wind blows.']}]."


def test_dirty_text_keeps_the_answer_and_planted_text_keeps_the_passage() -> None:
    text = "The lighthouse was finished in December. Its keeper was Magnusson. Nobody remembers."
    for seed in range(30):
        assert "Magnusson" in dirty(text, ["Magnusson"], random.Random(seed))
        marked = planted(text, random.Random(seed))
        assert len(marked) > len(text)
        assert all(sentence in marked for sentence in text.split(". ")[:2])


def test_questions_are_restyled_but_not_reworded() -> None:
    for seed in range(30):
        assert restyled("Who built Harlow?", random.Random(seed)).casefold().rstrip("?") == "who built harlow"


def test_invented_passages_hold_the_answers_they_claim() -> None:
    chance = random.Random(1)
    for _ in range(60):
        made = invented_passage(chance)
        assert made.answered
        asked = {question for question, _ in made.answered}
        assert not asked & set(made.unanswered)
        for _, answer in made.answered:
            assert answer in ("Yes", "No") or answer in made.text


def test_follow_ups_lose_the_name_that_the_history_gives() -> None:
    chunks = [Chunk("", "a", "s")]
    items = [
        Item("When was Ada Lovelace born?", ("1815",), 0, "short", "s"),
        Item("What did Ada Lovelace write?", ("notes",), 0, "short", "s"),
    ]
    made = [follow_ups(items, chunks, seed)[0] for seed in range(20)]
    assert {each.standalone for each in made} == {"What did Ada Lovelace write?"}
    rewritten = [each.last for each in made if each.last != each.standalone]
    assert rewritten
    assert all("Ada" not in last for last in rewritten)
    assert names("Who did Ada Lovelace of Kent meet?") == ["Ada Lovelace of Kent"]


def test_own_questions_are_training_data(tmp_path: Path) -> None:
    file = write_own(tmp_path / "own.jsonl", [own_row(n) for n in range(40)])
    data = load_rows(file, "train")
    assert 20 < len(data.items) < 40
    item = data.items[0]
    assert best_answer(item) in data.chunks[item.chunk].text
    assert [data.chunks[chunk].text for chunk in item.hard] == ["The houses are old."]
    assert next(maker_of(data).packs(random.Random(1))).branches


NO_PASSAGE = '{"answerable": true, "question": "?", "passages": [], "gold": []}'


@pytest.mark.parametrize("line", ["{", "[]", '{"question": "?"}', NO_PASSAGE])
def test_a_line_of_another_form_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text(json.dumps(own_row(1)) + "\n" + line + "\n")
    with pytest.raises(ValueError, match="line 2"):
        load_rows(file, "train")


def test_a_single_passage_makes_packs_too(tmp_path: Path) -> None:
    row = own_row(1)
    file = write_own(tmp_path / "own.jsonl", [row | {"passages": row["passages"][:1]}])
    (data,) = (data for split in SPLITS if (data := load_rows(file, split)).items)
    maker, chance = maker_of(data), random.Random(2)
    packs = [maker.documents(chance) for _ in range(60)]
    assert {len(pack.passages) for pack in packs} == {0, 1}  # its passage, or none that answers
    assert all(
        (text_of(branch.target) == " [0]") is (not pack.passages)
        for pack in packs
        for branch in pack.branches
        if not branch.asks
    )
