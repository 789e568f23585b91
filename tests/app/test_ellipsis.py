"""Fragments take the place of their counterpart in the question before."""

from __future__ import annotations

import pytest

from app.answers.antecedent import with_person
from app.answers.ellipsis import completed
from app.answers.rewrite import is_follow_up, standalone_question
from tests.fakes import EchoGenerator
from tests.questions.conversations import FOLLOW_UPS, STANDALONE


@pytest.mark.parametrize(
    ("previous", "question", "whole"),
    [
        ("When does it close on Sunday?", "And on Monday?", "When does it close on Monday?"),
        (
            "What does article 7 of the treaty say?",
            "And article 9?",
            "What does article 9 of the treaty say?",
        ),
        ("What is the load of crane 12?", "What about crane 15?", "What is the load of crane 15?"),
        ("When does it close on Sunday?", "What about Saturdays?", "When does it close on Saturdays?"),
        ("What did the 2019 audit find?", "And 2021?", "What did the 2021 audit find?"),
        ("How much does the ferry cost?", "And for children?", "How much does the ferry cost for children?"),
        (
            "How long is the guarantee of the Tarn T4?",
            "And for the Lumen gateway?",
            "How long is the guarantee for the Lumen gateway?",
        ),
        (
            "What is the price of the Tarn T4?",
            "And for members?",
            "What is the price of the Tarn T4 for members?",
        ),
        ("How much do cars pay?", "What about bikes?", "How much do cars pay, and bikes?"),
    ],
)
def test_a_fragment_is_completed(previous: str, question: str, whole: str) -> None:
    assert completed(question, previous) == whole


@pytest.mark.parametrize(
    ("question", "whole"),
    [
        ("When did she join?", "When did the director of Brenn Mills join?"),
        ("What is her phone number?", "What is the director of Brenn Mills’s phone number?"),
        ("Who hired her in 2019?", "Who hired the director of Brenn Mills in 2019?"),
        ("Who stands in for him?", "Who stands in for the director of Brenn Mills?"),
    ],
)
def test_a_pronoun_means_the_person_who_was_asked_for(question: str, whole: str) -> None:
    said = standalone_question(question, ["Who is the director of Brenn Mills?"], EchoGenerator())
    assert said == whole
    assert with_person(question, "Where is the director of Brenn Mills?") is None
    assert with_person("When did they join?", "Who is the director of Brenn Mills?") is None


@pytest.mark.parametrize(
    "question", ["And who built it?", "When does it run?", "And?", "What about", "Why?", "And is it open?"]
)
def test_what_has_a_verb_of_its_own_is_no_fragment(question: str) -> None:
    assert completed(question, "When was the bridge opened?") is None


def test_follow_ups_are_recognised_and_others_are_not() -> None:
    assert [turn.last for turn in FOLLOW_UPS if not is_follow_up(turn.last)] == []
    assert [turn.last for turn in STANDALONE if is_follow_up(turn.last)] == []


@pytest.mark.parametrize(
    ("previous", "question", "said", "used"),
    [
        (
            "Who leads the Brenn Archive?",
            "Where is she from?",
            " Where is Brenn from?",  # half a name
            "leads Brenn Archive: Where is she from?",
        ),
        (
            "Which crops grow at Selby?",
            "When are they cut?",
            " When are Selby cut?",  # what was asked for is lost
            "crops grow Selby: When are they cut?",
        ),
        (
            "Which vaccine do they use in Ulmat?",
            "How much do they pay for it?",
            " How much do Ulmat pay for Ulmat?",  # one name for two things
            "vaccine use Ulmat: How much do they pay for it?",
        ),
    ],
)
def test_a_rewrite_that_breaks_its_subject_is_not_trusted(
    previous: str, question: str, said: str, used: str
) -> None:
    assert standalone_question(question, [previous], EchoGenerator(said)) == used
