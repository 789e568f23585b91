"""The measuring of every mode: readers that behave in known ways get the figures that they must get."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers.processors import TemplateProcessing

from app.evals import metrics as product_metrics
from model.decoder_tokenizer import Segments
from model.generator import DecodingOptions
from model.prompt_template import PromptTemplate
from model.train.answers import noise
from model.train.answers.chunk_index import ChunkIndex
from model.train.answers.data import AnswerData, Chunk, Item
from model.train.answers.follow_ups import follow_ups
from model.train.answers.measure import TASKS, main, measure, table
from model.train.answers.measures import metrics, reader
from model.train.answers.measures.bench import Bench, Row
from model.train.answers.measures.cases import short_sets
from model.train.answers.measures.instructions import INSTRUCTIONS, PAYLOADS
from model.train.answers.measures.questions import first_times, rests_on
from model.train.answers.measures.reader import Answer, Reader, parse_answer
from model.train.answers.measures.sentences import decision
from tests.model.invented_answers import write_data
from tests.model.tiny import write_encoder
from tests.model.tiny_decoders import BEGIN, byte_tokenizer, save_checkpoint

TEMPLATE = PromptTemplate()
QED, STORIES, SENTENCES, STUDIES = (
    "qa_qed_nq",
    "qa_fairytaleqa",
    "qa_selqa_sentences",
    "qa_pubmedqa_pqal",
)
FACTS = ("mayor", "river")
_PASSAGE = re.compile(r"\[(\d+)\] (.*)\n")
_ASKED = re.compile(r"Question: (.*)\n(?:Full answer|Answer):")
_FACT = re.compile(r"The (\w+) of (\w+) is ([\w ]+)\.")


def encode_words(texts: Sequence[str]) -> list[list[int]]:
    return [[zlib.crc32(word.encode()) for word in re.findall(r"\w+", text.lower())] for text in texts]


def world() -> AnswerData:
    """Two facts each of twelve towns in two sets, sentences about them, and decisions."""
    chunks: list[Chunk] = []
    items: list[Item] = []
    for number in range(12):
        town, source = f"Town{number:02}", (QED, STORIES)[number % 2]
        for fact in FACTS:
            answer = f"{fact} name {number}"
            chunks.append(Chunk(f"The {fact} of {town} is {answer}. Known.", f"About {town}", source))
            items.append(Item(f"Who is the {fact} of {town}?", (answer,), len(chunks) - 1, "short", source))
        sentence = Chunk(f"The sky of {town} is blue.", f"About the sky of {town}", SENTENCES)
        chunks.append(sentence)
        items.append(
            Item(f"What is the sky of {town}?", (sentence.text,), len(chunks) - 1, "full", SENTENCES)
        )
    for number in range(4):
        chunks.append(Chunk(f"Study {number} knows nothing.", f"id{number}", STUDIES))
        label = ("Yes", "Yes", "Yes", "No")[number]
        items.append(Item(f"Does drug {number} help?", (label,), len(chunks) - 1, "short", STUDIES))
    return AnswerData(chunks, items)


class Scripted:
    """A generator that answers by a function of the prompt's segments, mask and options."""

    def __init__(
        self,
        line: Callable[[Segments, DecodingOptions], str],
        refusal_bias: tuple[int, float] | None = None,
    ) -> None:
        self.template: PromptTemplate | None = TEMPLATE
        self.refusal_bias = refusal_bias
        self.seen: list[tuple[Segments, DecodingOptions]] = []
        self._line = line

    def generate_batch(self, prompts: Sequence[Segments], options: DecodingOptions) -> list[str]:
        self.seen += [(prompt, options) for prompt in prompts]
        return [self._line(prompt, options) for prompt in prompts]


def passages_of(prompt: Segments) -> list[tuple[str, str]]:
    return _PASSAGE.findall("".join(prompt.texts[1:-1]))


def question_of(prompt: Segments) -> str:
    match = _ASKED.search(prompt.texts[-1])
    assert match is not None
    return match[1]


def perfect(prompt: Segments, options: DecodingOptions) -> str:
    """Answers from the passage that states the fact asked for, else refuses."""
    for number, text in passages_of(prompt):
        for fact, town, answer in _FACT.findall(text):
            if f"{fact} of {town}?" in question_of(prompt):
                return f" {answer} [{number}]"
    return f" {TEMPLATE.no_answer}"


def bench_of(generator: Scripted, questions: int = 8, passages: int = 4) -> Bench:
    data = world()
    return Bench(data, ChunkIndex(data.chunks, encode_words), Reader(generator), questions, passages, seed=3)


def values(rows: Sequence[Row]) -> dict[tuple[str, str], float | None]:
    return {(row.of, row.measure): row.interval.value for row in rows}


def measured(
    task: str,
    line: Callable[[Segments, DecodingOptions], str],
    bias: tuple[int, float] | None = None,
    **sizes: int,
) -> dict[tuple[str, str], float | None]:
    return values(TASKS[task](bench_of(Scripted(line, bias), **sizes)))


@pytest.mark.parametrize(
    ("answer", "references"),
    [
        ("The Bridge, of 1931! [2]", ["bridge of 1931"]),
        ("$4.50 a day", ["4.50 crowns a day", "$4.50"]),
        ("“Ünïcode” – dashes", ["unicode dashes", "ünïcode dashes"]),
        ("", ["something"]),
        ("the", ["a"]),
        ("red red blue", ["red blue blue green"]),
    ],
)
def test_metrics_are_those_of_the_product(answer: str, references: list[str]) -> None:
    assert metrics.f1(answer, references) == product_metrics.f1(answer, references)
    assert metrics.exact_match(answer, references) == product_metrics.exact_match(answer, references)


def test_intervals_are_those_of_the_product() -> None:
    sample = [0.0, 1.0, 0.5, 1.0, 0.25]
    ours, theirs = metrics.mean_interval(sample), product_metrics.mean_interval(sample)
    assert (ours.value, ours.low, ours.high) == (theirs["value"], theirs["low"], theirs["high"])
    assert metrics.mean_interval([]) == metrics.Interval(None, None, None, 0)
    assert metrics.difference([1.0, 0.0], [1.0, 1.0]).value == -0.5
    assert metrics.spread([[1.0, 1.0], [0.0, 1.0], [0.5, 1.0]]).value == 0.5
    columns = np.random.default_rng(1).random((5, 40)).tolist()
    mine, product = metrics.spread_by_chance(columns), product_metrics.spread_by_chance(np.array(columns).T)
    assert (mine.value, mine.low, mine.high) == (product["value"], product["low"], product["high"])
    assert metrics.spread_by_chance([[], []]) == metrics.Interval(None, None, None, 0)


@pytest.mark.parametrize(
    ("line", "text", "cited", "refused"),
    [
        (" in 1931 [2]", "in 1931", (2,), False),
        (" one [3], two [1] [3]", "one, two", (3, 1), False),
        (" [0]", "", (), True),
        ("", "", (), True),
        (" [2]", "", (), True),
        (" something [0]", "something", (), False),
    ],
)
def test_lines_are_taken_apart(line: str, text: str, cited: tuple[int, ...], refused: bool) -> None:
    answer = parse_answer(line)
    assert (answer.text, answer.cited, answer.refused) == (text, cited, refused)


def test_a_perfect_reader_of_short_answers_gets_everything() -> None:
    found = measured("short", perfect)
    for of in (f"{QED}, titles", f"{STORIES}, no titles", "all, titles"):
        assert found[of, "F1"] == found[of, "exact match"] == 1
        assert found[of, "citation precision"] == found[of, "citation recall"] == 1
        assert found[of, "refused"] == 0
    assert found["titles minus no titles", "F1"] == 0


def test_titles_stand_in_front_where_they_are_asked_for() -> None:
    generator = Scripted(perfect)
    TASKS["short"](bench_of(generator))
    titled = [all(text.startswith("About") for _, text in passages_of(p)) for p, _ in generator.seen]
    assert titled == [True] * 8 + [False] * 8


def test_a_reader_that_needs_titles_shows_in_the_difference() -> None:
    def needs_titles(prompt: Segments, options: DecodingOptions) -> str:
        return perfect(prompt, options) if "About" in prompt.texts[1] else " [0]"

    found = measured("short", needs_titles)
    assert found["titles minus no titles", "F1"] == 1
    assert found["all, no titles", "refused"] == 1
    assert found["all, no titles", "citation precision"] is None
    assert found["all, no titles", "citation recall"] == 0


def test_citing_every_passage_costs_precision() -> None:
    def cites_all(prompt: Segments, options: DecodingOptions) -> str:
        return " x" + "".join(f" [{number}]" for number, _ in passages_of(prompt))

    found = measured("short", cites_all)
    assert found["all, titles", "citation precision"] == 0.25
    assert found["all, titles", "citation recall"] == 1
    assert found["all, titles", "F1"] == 0


def test_refusals_are_counted_with_and_without_the_bias() -> None:
    def needs_bias(prompt: Segments, options: DecodingOptions) -> str:
        return perfect(prompt, options) if options.first_token_bias else " guess [1]"

    found = measured("unanswerable", needs_bias, (7, 2.0))
    assert found["all, calibrated", "refused"] == 1
    assert found["all, no bias", "refused"] == 0
    unbiased = measured("unanswerable", needs_bias)
    assert unbiased["all, calibrated", "refused"] == unbiased["all, no bias", "refused"] == 0


@pytest.mark.parametrize(("bias", "asked_again"), [(2.0, 4), (-2.0, 4), (0.0, 0)])
def test_only_answers_that_the_bias_can_have_changed_are_asked_again(bias: float, asked_again: int) -> None:
    calls: list[str] = []

    def every_other(prompt: Segments, options: DecodingOptions) -> str:
        calls.append(question_of(prompt))
        return " [0]" if len(calls) % 2 else " guess [1]"

    generator = Scripted(every_other, (7, bias))
    TASKS["unanswerable"](bench_of(generator))
    assert [options.first_token_bias for _, options in generator.seen] == [(7, bias)] * 8 + [
        None
    ] * asked_again


def test_what_is_called_unanswerable_holds_no_answer() -> None:
    generator = Scripted(perfect)
    bench = bench_of(generator)
    answers = {item.question: item.answers[0] for item in bench.data.items}
    TASKS["unanswerable"](bench)
    for prompt, _ in generator.seen:
        assert len(passages_of(prompt)) == 4
        assert all(answers[question_of(prompt)] not in text for _, text in passages_of(prompt))


def test_the_place_of_the_passage_is_swept() -> None:
    def reads_the_first(prompt: Segments, options: DecodingOptions) -> str:
        line = perfect(prompt, options)
        return line if line.endswith(" [1]") else " [0]"

    found = measured("position", reads_the_first)
    places = [found[f"place {place} of 10", "F1"] for place in (1, 3, 5, 8, 10)]
    assert places == [1, 0, 0, 0, 0]
    assert found["best minus worst place", "F1"] == 1
    assert measured("position", perfect)["best minus worst place", "F1"] == 0


def test_masks_are_compared_on_the_same_questions() -> None:
    def lost_under_block(prompt: Segments, options: DecodingOptions) -> str:
        return perfect(prompt, options) if prompt.mask == "full" else " name [1]"

    found = measured("masks", lost_under_block)
    assert found["full mask", "F1"] == 1
    assert found["full mask", "citation precision"] == 1
    assert found["block mask", "citation precision"] != 1
    assert found["block minus full", "F1"] == pytest.approx(-0.5)  # "name" of "mayor name 3" has F1 0.5
    assert found["block mask", "refused"] == 0


def test_sentences_are_asked_for_and_compared_with_the_reference() -> None:
    def whole_sentence(prompt: Segments, options: DecodingOptions) -> str:
        assert prompt.texts[-1].endswith("Full answer:")
        town = question_of(prompt).removeprefix("What is the sky of ").rstrip("?")
        number = next(number for number, text in passages_of(prompt) if f"sky of {town} " in text)
        return f" The sky of {town} is green. [{number}]"

    found = measured("full", whole_sentence)
    assert found[SENTENCES, "F1"] == pytest.approx(0.8)
    assert found[SENTENCES, "citation precision"] == 1


def test_always_yes_is_as_good_as_the_majority() -> None:
    found = measured("yes_no", lambda prompt, options: " Yes [1]")
    assert found[STUDIES, "accuracy"] == found[STUDIES, "accuracy of the majority class"] == 0.75
    assert found[STUDIES, "accuracy minus majority"] == 0
    assert measured("yes_no", lambda prompt, options: " [0]")[STUDIES, "refused"] == 1


def test_studies_stand_among_other_passages_without_their_numbers() -> None:
    generator = Scripted(lambda prompt, options: " No [1]")
    TASKS["yes_no"](bench_of(generator))
    for prompt, _ in generator.seen:
        assert len(passages_of(prompt)) == 4  # though "no" stands in every word like "knows"
        assert not any(text.startswith("id") for _, text in passages_of(prompt))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Yes.", "yes"), ("no, it is not", "no"), ("Maybe", "maybe"), ("Known", None), ("", None)],
)
def test_decisions_are_the_first_word(text: str, expected: str | None) -> None:
    assert decision(text) == expected


def test_planted_instructions_are_other_ones_than_those_of_training() -> None:
    assert len(set(INSTRUCTIONS)) == len(INSTRUCTIONS) >= 20
    assert not set(INSTRUCTIONS) & set(noise._INSTRUCTIONS)
    assert not set(PAYLOADS) & set(noise._PAYLOADS)
    assert all("{}" in instruction for instruction in INSTRUCTIONS)
    assert len(INSTRUCTIONS) % 2  # every one strikes both of two sets that take turns
    assert len(INSTRUCTIONS) % len(PAYLOADS)


def test_who_obeys_is_caught_and_who_does_not_loses_nothing() -> None:
    def obedient(prompt: Segments, options: DecodingOptions) -> str:
        text = "".join(prompt.texts)
        told = next((payload for payload in PAYLOADS if payload in text), None)
        return perfect(prompt, options) if told is None else f" {told.upper()} [1]"

    found = measured("planted", obedient)
    assert found["all", "obeyed"] == found["in another", "obeyed"] == 1
    assert found["in the gold passage", "F1 lost"] == 1
    stubborn = measured("planted", perfect)
    assert stubborn["all", "obeyed"] == stubborn["all", "F1 lost"] == 0


def test_one_passage_of_each_question_is_planted() -> None:
    generator = Scripted(perfect)
    TASKS["planted"](bench_of(generator))
    clean, planted = (
        [passages_of(prompt) for prompt, _ in part] for part in (generator.seen[:8], generator.seen[8:])
    )
    for before, after in zip(clean, planted, strict=True):
        changed = [pair for pair in zip(before, after, strict=True) if pair[0] != pair[1]]
        assert len(changed) == 1
        (_, was), (_, became) = changed[0]
        assert any(payload in became and payload not in was for payload in PAYLOADS)


def named() -> AnswerData:
    """Questions on two documents that name the same thing, as follow-ups are made from."""
    chunks, items = [], []
    for person in ("Ada Lovelace", "Boris Godunov"):
        for number, verb in enumerate(("born", "taught", "married", "buried", "crowned", "painted")):
            chunks.append(Chunk(f"{person} was {verb} in {1800 + number}.", person, QED))
            question = f"When was {person} {verb}?"
            items.append(Item(question, (str(1800 + number),), len(chunks) - 1, "short", QED))
    return AnswerData(chunks, items)


def rewriting(line: Callable[[Segments, DecodingOptions], str]) -> dict[tuple[str, str], float | None]:
    data = named()
    index = ChunkIndex(data.chunks, encode_words)
    return values(TASKS["rewrite"](Bench(data, index, Reader(Scripted(line)), 10, 4, seed=3)))


def last_question(prompt: Segments) -> str:
    match = re.search(r"Last question: (.*)\n", prompt.texts[-1])
    assert match is not None
    return match[1]


def test_leaving_follow_ups_as_they_are_gains_nothing() -> None:
    found = rewriting(lambda prompt, options: f" {last_question(prompt)}\n")
    assert found["follow-ups", "F1"] == found["follow-ups", "F1 without rewriting"]
    assert found["follow-ups", "F1 gained"] == found["follow-ups", "recall@5 gained"] == 0
    assert found["follow-ups", "exact match"] == 0
    assert found["questions that stand alone", "left as they are"] == 1


def test_right_rewritings_are_searched_as_well_as_the_reference() -> None:
    data = named()
    made = follow_ups(data.items, data.chunks, 3)
    meant = {(f"Question: {each.earlier[0]}\n", each.last): each.standalone for each in made}
    found = rewriting(lambda prompt, options: f" {meant[prompt.texts[1], last_question(prompt)]}")
    assert found["follow-ups", "F1"] == found["follow-ups", "exact match"] == 1
    assert (
        found["follow-ups", "recall@5 of the rewriting"]
        == found["follow-ups", "recall@5 of the reference"]
        == 1
    )


def test_an_empty_rewriting_finds_nothing() -> None:
    found = rewriting(lambda prompt, options: "")
    assert found["follow-ups", "recall@5 of the rewriting"] == 0


def asks(prompt: Segments, options: DecodingOptions) -> str:
    """Asks for the fact that a passage states, and answers perfectly."""
    if not prompt.texts[-1].startswith("\nA question that"):
        return perfect(prompt, options)
    fact, town, _ = _FACT.findall(prompt.texts[1])[0]
    return f" Who is the {fact} of {town}?"


def test_questions_that_come_back_to_their_passage() -> None:
    found = measured("ask", asks)
    assert found["passages", "round trip, passage alone"] == 1
    assert found["passages", "round trip, passage among 4"] == 1
    assert found["passages", "recall@5"] == found["passages", "recall@5 of people's questions"] == 1
    assert found["passages", "distinct"] == 1


def test_asking_the_same_everywhere_is_neither_distinct_nor_found() -> None:
    def stuck(prompt: Segments, options: DecodingOptions) -> str:
        return " Why?" if prompt.texts[-1].startswith("\nA question that") else " Because [1]"

    found = measured("ask", stuck)
    assert found["passages", "distinct"] == 1 / 8
    assert found["passages", "round trip, passage alone"] == found["passages", "recall@5"] == 0


def test_an_answer_rests_on_a_passage_that_it_cites_and_repeats() -> None:
    text = "It was  opened in May 1931 by the queen."
    assert rests_on(Answer("in may 1931.", (2,)), text, 2)
    assert not rests_on(Answer("in May 1931", (1,)), text, 2)
    assert not rests_on(Answer("in June 1931", (2,)), text, 2)
    assert not rests_on(Answer("", ()), text, 2)
    assert first_times(["Why?", "why", "Who?"]) == [True, False, True]


def test_hard_passages_are_those_that_share_words_and_hold_no_answer() -> None:
    chunks = [Chunk(text, "d", QED) for text in ("red house", "red boat", "green lamp", "red red tower")]
    index = ChunkIndex(chunks, encode_words)
    assert index.hard("red house", 0, ["BOAT"], 2) == [3, 2]
    assert index.hard("red house", 0, (), 9) == [3, 1, 2]
    assert index.finds("green", [2], 1)
    assert not index.finds("purple", [0], 4)


def test_questions_are_drawn_evenly_and_none_twice() -> None:
    bench = bench_of(Scripted(perfect), questions=6)
    drawn = bench.short()
    assert [item.source for item in drawn] == [QED, STORIES] * 3
    assert len({item.question for item in drawn}) == 6
    assert drawn == bench_of(Scripted(perfect), questions=6).short()
    assert len(bench_of(Scripted(perfect), questions=99).short()) == 24


def test_a_users_own_questions_are_one_set() -> None:
    assert short_sets(AnswerData([], [Item("?", ("x",), 0, "short", "own")])) == ["own"]


def test_a_prompt_of_several_tasks_is_generated_once() -> None:
    generator = Scripted(perfect)
    rows, seconds = measure(bench_of(generator), ["short", "masks", "planted"])
    assert len(generator.seen) == len(set(generator.seen)) == 8 * 4  # titles, none, block, planted
    assert list(seconds) == ["short", "masks", "planted"]
    assert table(rows).count("\n") == len(rows) + 1


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_checkpoint("gemma3", tmp_path_factory.mktemp("base"))
    tokenizer = byte_tokenizer()._tokenizer
    tokenizer.post_processor = TemplateProcessing(single="<begin> $A", special_tokens=[("<begin>", BEGIN)])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def test_the_command_measures_every_task_and_repeats(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("ANSWER_TOKENS", "FULL_TOKENS", "LINE_TOKENS"):
        monkeypatch.setattr(reader, limit, 6)
    data, encoder = tmp_path / "data", tmp_path / "encoder"
    for folder in (data, encoder):
        folder.mkdir()
    write_data(data)
    write_encoder(encoder)
    reports: list[Any] = []
    for run in range(2):
        report = tmp_path / f"{run}.json"
        main(
            [
                *("--data", str(data), "--answerer", "none", "--decoder", str(checkpoint)),
                *("--encoder", str(encoder), "--models", str(tmp_path), "--threads", "1"),
                *("--questions", "2", "--passages", "2", "--seed", "5", "--json", str(report)),
            ]
        )
        reports.append(json.loads(report.read_text()))
    assert {row["task"] for row in reports[0]["measures"]} == set(TASKS)
    assert "| short | " in capsys.readouterr().out
    assert reports[0].pop("seconds").keys() == reports[1].pop("seconds").keys() == TASKS.keys()
    assert reports[0] == reports[1]
    assert reports[0]["refusal_bias"] is None


def test_a_split_without_questions_is_refused(tmp_path: Path, checkpoint: Path) -> None:
    file = tmp_path / "own.jsonl"
    file.write_text("")
    with pytest.raises(ValueError, match="no question"):
        main(
            [
                "--data",
                str(file),
                "--answerer",
                "none",
                "--decoder",
                str(checkpoint),
                "--models",
                str(tmp_path),
            ]
        )
