"""Follow-ups become standalone questions; others are left alone."""

from __future__ import annotations

import pytest

from app.answers.rewrite import is_follow_up, standalone_question
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


def test_a_good_rewrite_is_taken() -> None:
    rewritten = standalone_question(
        "When does it run?", HISTORY, EchoGenerator(" When does the Wend ferry run?")
    )
    assert rewritten == "When does the Wend ferry run?"


@pytest.mark.parametrize(
    "invented", [" When does the Paris train run?", " ", " When does it run?", " Wend ferry"]
)
def test_a_rewrite_that_invents_or_forgets_is_not_trusted(invented: str) -> None:
    rewritten = standalone_question("When does it run?", HISTORY, EchoGenerator(invented))
    assert rewritten == "much Wend ferry cost: When does it run?"
