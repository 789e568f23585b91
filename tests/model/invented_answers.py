"""Invented places as the answerer's training files, rows of a user's own, and a decoder to train on them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from tokenizers.processors import TemplateProcessing

from model.decoder_tokenizer import DecoderTokenizer
from model.prompt_template import PromptTemplate
from model.train.answerer import pack_maker
from model.train.answers.data import AnswerData
from model.train.answers.japanese import FILE
from model.train.answers.mix import PackMaker
from model.train.data import Split
from tests.model.tiny_decoders import BEGIN, byte_tokenizer, save_checkpoint

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


def write_own(file: Path, rows: list[dict[str, Any]]) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def write_checkpoint(folder: Path) -> Path:
    """A tiny decoder with the tokenizer of 256 bytes."""
    save_checkpoint("gemma3", folder)
    tokenizer = byte_tokenizer()._tokenizer
    tokenizer.post_processor = TemplateProcessing(single="<begin> $A", special_tokens=[("<begin>", BEGIN)])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
