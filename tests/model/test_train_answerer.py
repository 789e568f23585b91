"""The answerer's recipe: what it reads, the packs it makes, and a run from rows to an adapter that loads."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers.processors import TemplateProcessing

from model.adapter_file import load_answerer
from model.decoder_tokenizer import DecoderTokenizer
from model.lora import lora_tensors
from model.prompt_template import PromptTemplate
from model.registry import ANSWERER_FILE, sha256_of
from model.train.answerer import AnswererRecipe, AnswererTrainer, load_base, pack_maker, train
from model.train.answers.data import (
    AnswerData,
    Chunk,
    Item,
    load_answers,
    split_chunks,
)
from model.train.answers.follow_ups import follow_ups, names
from model.train.answers.invented import invented_passage
from model.train.answers.japanese import FILE
from model.train.answers.mix import MAX_PACK_TOKENS, PackMaker, best_answer
from model.train.answers.noise import dirty, planted, restyled
from model.train.answers.refusals import RefusalMargins, fit_bias, refusal_rates
from model.train.answers.rows import load_rows
from model.train.data import Passage, Split, split_of
from tests.model.tiny_decoders import BEGIN, END, byte_tokenizer, save_checkpoint

TEMPLATE = PromptTemplate(
    preamble="P\n", passage="[{number}] {text}\n", question="\nQ: {text}\nA:", full_question="\nQ: {text}\nF:"
)
SPLITS: tuple[Split, ...] = ("train", "dev", "test")
TOWNS = (
    "Arnby",
    "Besk",
    "Corrow",
    "Dunmere",
    "Elsk",
    "Farrow",
    "Gilt",
    "Hask",
    "Irby",
    "Jorn",
    "Kell",
    "Lorn",
)
FACTS = (("mayor", "Who is the mayor of {}?"), ("river", "Which river flows through {}?"))


def write_data(folder: Path) -> Path:
    """Two facts about each of 36 places, one passage a fact."""
    passages: list[Any] = []
    triples: list[Any] = []
    misses: list[Any] = []
    places = [f"{town} {part}" for town in TOWNS for part in ("North", "South", "Mill")]
    for place in places:
        for fact, question in FACTS:
            answer = f"{fact.title()} {place[::-1].title()}"
            number = len(passages)
            text = f"The {fact} of {place} is {answer}. It is well known."
            passages.append({"id": number, "title": place, "text": text, "set": "qa_qed_nq"})
            triples.append(
                {
                    "id": f"q{number}",
                    "query": question.format(place),
                    "positive": number,
                    "negatives": [(number + 2) % 72, (number + 4) % 72],
                    "answers": [answer],
                    "set": "qa_qed_nq",
                }
            )
    write_rows(folder / "passages.jsonl.gz", passages)
    write_rows(folder / "retrieval_qa_triples.jsonl.gz", triples)
    write_rows(folder / "qa_derived_unanswerable.jsonl.gz", misses)
    abstract = "We asked many. Most agreed."
    studies = [
        {
            "id": f"s{n}",
            "question": f"Is it {n}?",
            "context": abstract,
            "answers": [{"text": "So."}],
            "decision": "yes",
        }
        for n in range(6)
    ]
    write_rows(folder / "qa_pubmedqa_pqal.jsonl.gz", studies)
    cited = {
        "question": "Why?",
        "revised_answer": "Because of rain [3]. And wind [5].",
        "contexts": [{"n": 3, "text": "Rain falls."}, {"n": 5, "text": "Wind blows."}],
    }
    write_rows(folder / "cited_expertqa.jsonl.gz", [cited])
    write_rows(folder / FILE, [])
    return folder


def write_rows(path: Path, rows: list[Any]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def maker_of(data: AnswerData, tokenizer: DecoderTokenizer | None = None) -> PackMaker:
    return pack_maker(data, tokenizer or byte_tokenizer(), TEMPLATE)


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


def test_the_refusal_bias_costs_no_more_than_it_may() -> None:
    margins = RefusalMargins(np.linspace(-10, 1, 100), np.linspace(-2, 5, 100))
    bias = fit_bias(margins, 0.04)
    rates = refusal_rates(margins, bias)
    assert rates["refused_when_answerable"] == pytest.approx(0.04, abs=0.011)
    assert rates["refused_when_unanswerable"] > 0.4
    assert fit_bias(RefusalMargins(np.array([]), np.array([1.0])), 0.04) == 0.0


def own_row(number: int) -> dict[str, Any]:
    return {
        "id": str(number),
        "question": f"Who owns number {number}?",
        "answers": [f"Owner {number}"],
        "answerable": True,
        "passages": [
            {"id": "a", "title": f"House {number}", "text": f"Number {number} belongs to Owner {number}."},
            {"id": "b", "title": f"House {number}", "text": "The houses are old."},
        ],
        "gold": ["a"],
    }


def test_own_questions_are_training_data(tmp_path: Path) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text("".join(json.dumps(own_row(n)) + "\n" for n in range(40)))
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


SMOKE = AnswererRecipe(
    steps=4, rank=2, alpha=4, answers_a_step=6, evaluate_every=0.5, monitor_packs=2, calibration_packs=3
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny decoder's folder with the tokenizer of 256 bytes."""
    folder = save_checkpoint("gemma3", tmp_path_factory.mktemp("base"))
    tokenizer = byte_tokenizer()._tokenizer
    tokenizer.post_processor = TemplateProcessing(single="<begin> $A", special_tokens=[("<begin>", BEGIN)])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def test_a_run_leaves_an_adapter_that_loads_with_its_card(
    folder: Path, checkpoint: Path, tmp_path: Path
) -> None:
    train(folder, tmp_path, SMOKE, "the command", tmp_path, str(checkpoint))
    tensors, info = load_answerer(tmp_path / ANSWERER_FILE)
    assert any(bool(tensor.abs().sum() > 0) for name, tensor in tensors.items() if name.endswith(".b"))
    assert info.template == PromptTemplate()
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["weights_sha256"] == sha256_of(tmp_path / ANSWERER_FILE)
    assert card["steps"] == SMOKE.steps
    assert card["recipe"]["rank"] == 2
    assert "the command" in (tmp_path / "README.md").read_text()
    assert (tmp_path / "curve.svg").read_text().startswith("<svg")


def make_trainer(
    folder: Path, checkpoint: Path, work: Path, recipe: AnswererRecipe = SMOKE
) -> AnswererTrainer:
    work.mkdir(exist_ok=True)
    _, decoder, tokenizer = load_base(str(checkpoint), work)
    training, held_out = (maker_of(load_answers(folder, split), tokenizer) for split in SPLITS[:2])
    return AnswererTrainer(decoder, training, held_out, recipe, work)


def test_training_goes_on_from_an_adapter(folder: Path, checkpoint: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    train(folder, first, SMOKE, "first", tmp_path, str(checkpoint))
    train(
        folder,
        second,
        replace(SMOKE, steps=1, peak_rate=0.0, rank=8, alpha=8),  # those of the first count
        "second",
        tmp_path,
        str(checkpoint),
        str(first),
    )
    before, _ = load_answerer(first / ANSWERER_FILE)
    after, info = load_answerer(second / ANSWERER_FILE)
    assert (info.rank, info.alpha) == (SMOKE.rank, SMOKE.alpha)
    assert json.loads((second / "card.json").read_text())["recipe"]["rank"] == SMOKE.rank
    for name, factor in before.items():
        np.testing.assert_allclose(after[name], factor, atol=1e-3)


def test_a_part_of_the_start_is_mixed_into_the_result(folder: Path, checkpoint: Path, tmp_path: Path) -> None:
    trainer = make_trainer(folder, checkpoint, tmp_path / "work", replace(SMOKE, base_share=0.25))
    end = {name: factor.detach().clone() for name, factor in lora_tensors(trainer.decoder).items()}
    start = {name: torch.ones_like(factor) for name, factor in end.items()}
    trainer.mix_with(start)
    for name, factor in lora_tensors(trainer.decoder).items():
        torch.testing.assert_close(factor.detach(), 0.75 * end[name] + 0.25)


def test_data_with_nothing_to_hold_out_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text(json.dumps(own_row(1)) + "\n")
    with pytest.raises(ValueError, match="more documents"):
        train(file, tmp_path / "out", SMOKE, "", tmp_path)


def test_an_interrupted_run_resumes_to_the_same_losses(
    folder: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_trainer(folder, checkpoint, tmp_path / "whole").run()

    class Interrupted(Exception):
        pass

    trainer = make_trainer(folder, checkpoint, tmp_path / "parts")
    step = trainer._step

    def interrupt(*arguments: Any) -> None:
        if trainer.progress.step == 3:  # one step after the checkpoint at half time
            raise Interrupted
        step(*arguments)

    monkeypatch.setattr(trainer, "_step", interrupt)
    with pytest.raises(Interrupted):
        trainer.run()
    resumed = make_trainer(folder, checkpoint, tmp_path / "parts").run()
    assert resumed.step == whole.step == SMOKE.steps
    np.testing.assert_allclose(resumed.losses, whole.losses, rtol=1e-4)


def test_a_checkpoint_of_another_recipe_is_refused(folder: Path, checkpoint: Path, tmp_path: Path) -> None:
    make_trainer(folder, checkpoint, tmp_path).run()
    with pytest.raises(ValueError, match="another recipe"):
        make_trainer(folder, checkpoint, tmp_path, replace(SMOKE, seed=8)).run()
