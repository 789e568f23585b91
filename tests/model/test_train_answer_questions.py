"""Questions that the answerer's recipe makes or takes from elsewhere, and how its packs share calls."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest
import torch
from torch import nn

from model.lora import LoRALinear
from model.prompt_template import PromptTemplate
from model.train.answerer import in_rows
from model.train.answers.data import AnswerData, Chunk, Item
from model.train.answers.japanese import FILE, add_japanese
from model.train.answers.mix import PackMaker
from model.train.answers.packing import Branch, Pack
from model.train.answers.yes_no import as_yes_or_no

ARTICLE = ("山の高さは900メートルである。川は北へ流れる。", "町の人口は三万人である。駅は丘の上にある。")


def write_japanese(folder: Path) -> Path:
    asked = (("山の高さは?", 0, "900メートル"), ("駅はどこ?", 1, "丘の上"), ("誰?", 1, "花子"))
    rows = [
        {"question": question, "context": ARTICLE[at], "title": "町", "answers": [{"text": answer}]}
        for question, at, answer in asked
    ]
    with gzip.open(folder / FILE, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return folder


def test_a_japanese_question_has_its_chunk_and_near_misses_of_its_article(tmp_path: Path) -> None:
    data = AnswerData([Chunk("English.", "doc", "other")], [])
    add_japanese(data, write_japanese(tmp_path))
    assert [item.question for item in data.items] == [
        "山の高さは?",
        "駅はどこ?",
    ]  # the third has no answer there
    for item in data.items:
        assert item.answers[0] in data.chunks[item.chunk].text
        assert len(item.hard) == 1
        assert item.answers[0] not in data.chunks[item.hard[0]].text


def test_contexts_do_not_mix_languages(tmp_path: Path) -> None:
    english = [Chunk(f"Fact {n} is {n * 7}.", "doc", "other") for n in range(20)]
    items = [Item(f"What is fact {n}?", (str(n * 7),), n, "short", "other", ()) for n in range(20)]
    data = AnswerData(english, items)
    add_japanese(data, write_japanese(tmp_path))
    made = PackMaker(data, PromptTemplate(), lambda text: [ord(each) for each in text], None, 0)
    chance = random.Random(5)
    for pack in (made.documents(chance) for _ in range(60)):
        texts = ["".join(map(chr, passage)) for passage in pack.passages]
        assert len({any(ord(each) > 0x3000 for each in text) for text in texts}) == 1


@pytest.mark.parametrize(
    ("question", "answer", "text", "expected"),
    [
        ("When was the mill built?", "1920", "Built in 1920, burnt in 1931.", {"1920": "Yes", "1931": "No"}),
        (
            "Who runs the mill?",
            "Ada Berg",
            "Ada Berg runs it for Olaf Lund.",
            {"Ada Berg": "Yes", "Olaf": "No"},
        ),
    ],
)
def test_yes_and_no_say_what_the_passage_says(
    question: str, answer: str, text: str, expected: dict[str, str]
) -> None:
    made = {as_yes_or_no(question, (answer,), text, random.Random(seed)) for seed in range(40)} - {None}
    assert {each[1] for each in made if each} == {"Yes", "No"}
    for asked, decision in filter(None, made):
        assert asked.endswith("?")
        (named,) = [said for key, said in expected.items() if key in asked]
        assert decision == named


def test_nothing_is_denied_where_the_passage_holds_no_other_of_the_kind() -> None:
    made = {
        as_yes_or_no("When was it built?", ("1920",), "Built in 1920.", random.Random(n)) for n in range(20)
    }
    assert {each[1] for each in made if each} <= {"Yes"}


def test_packs_share_a_call_up_to_its_padded_tokens() -> None:
    packs = [Pack([1] * length, [], [Branch([1], [2])], "full") for length in (10, 90, 50, 45, 12, 11)]
    rows = in_rows(packs, 100)
    assert sorted(pack.tokens for row in rows for pack in row) == sorted(pack.tokens for pack in packs)
    assert all(len(row) == 1 or len(row) * row[0].tokens <= 100 for row in rows)
    assert max(map(len, rows)) > 1
    assert all(len(row) == 1 for row in in_rows(packs, 1))


def test_adapters_drop_inputs_in_training_alone() -> None:
    torch.manual_seed(0)
    layer = LoRALinear(nn.Linear(64, 8), rank=4, alpha=8, dropout=0.5)
    nn.init.normal_(layer.b)
    x = torch.randn(3, 64)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))
