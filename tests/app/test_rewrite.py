"""Follow-ups become standalone questions; others are left alone."""

from __future__ import annotations

import pytest

from app.answers.few_shot import FewShotTemplate
from app.answers.rewrite import EARLIER_SHOWN, is_follow_up, standalone_question
from app.services import AnswerTemplate
from model.prompt_template import PromptTemplate
from tests.fakes import EchoGenerator

HISTORY = ["How much does the Wend ferry cost?"]


@pytest.mark.parametrize("question", ["And for children?", "When does it run?", "Why?", "What about dogs?"])
def test_questions_that_lean_on_the_history(question: str) -> None:
    assert is_follow_up(question)


@pytest.mark.parametrize(
    "question", ["How much leave do new employees get?", "Who signed the lease of the Brenn warehouse?"]
)
def test_questions_that_stand_alone_are_left_alone(question: str) -> None:
    generator = EchoGenerator("should not be asked")
    assert standalone_question(question, HISTORY, generator) == question
    assert generator.prompts == []


def test_without_history_nothing_is_rewritten() -> None:
    assert standalone_question("When does it run?", [], EchoGenerator("x")) == "When does it run?"


@pytest.mark.parametrize("template", [PromptTemplate(), FewShotTemplate()])
def test_a_good_rewrite_is_taken(template: AnswerTemplate) -> None:
    generator = EchoGenerator(" When does the Wend ferry run?", template)
    assert standalone_question("When does it run?", HISTORY, generator) == "When does the Wend ferry run?"


def test_a_trained_decoder_sees_the_last_few_questions() -> None:
    history = [f"Where is pier {number}?" for number in range(9)]
    generator = EchoGenerator(" When does the ferry at pier 8 run?")
    rewritten = standalone_question("When does the ferry run there?", history, generator)
    assert rewritten == "When does the ferry at pier 8 run?"
    (prompt,) = generator.prompts
    assert prompt.count("Where is pier") == EARLIER_SHOWN
    assert prompt.endswith(
        "Question: Where is pier 8?\nLast question: When does the ferry run there?\nStandalone question:"
    )


def test_an_untrained_decoder_sees_examples_and_the_question_before() -> None:
    generator = EchoGenerator("", FewShotTemplate())
    standalone_question("When does it run?", ["Where is pier 1?", *HISTORY], generator)
    (prompt,) = generator.prompts
    assert "pier" not in prompt
    assert prompt.count("Complete follow-up:") == 4
    assert prompt.endswith(f"First question: {HISTORY[0]}\nFollow-up: When does it run?\nComplete follow-up:")


@pytest.mark.parametrize(
    "invented", [" When does the Paris train run?", " ", " When does it run?", " Wend ferry"]
)
def test_a_rewrite_that_invents_or_forgets_is_not_trusted(invented: str) -> None:
    rewritten = standalone_question("When does it run?", HISTORY, EchoGenerator(invented))
    assert rewritten == "much Wend ferry cost: When does it run?"
