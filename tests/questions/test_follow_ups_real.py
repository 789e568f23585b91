"""How often a follow-up is rewritten rightly by the real decoder and its rules. `make follow-ups`."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.answers.rewrite import standalone_question
from app.services import Services
from tests.questions.conversations import FOLLOW_UPS, HELD_OUT, STANDALONE, Turn

pytestmark = [pytest.mark.weights, pytest.mark.slow, pytest.mark.timeout(1800)]


def right(services: Services, turns: Sequence[Turn]) -> int:
    count = 0
    for turn in turns:
        rewritten = standalone_question(turn.last, [turn.earlier], services.models.generator)
        count += turn.right(rewritten)
        if not turn.right(rewritten):
            print(f"wrong: {turn.earlier} / {turn.last} -> {rewritten}")
    return count


def test_follow_ups_are_understood(real_services: Services) -> None:
    seen, held_out = right(real_services, FOLLOW_UPS), right(real_services, HELD_OUT)
    print(f"\nright: {seen} of {len(FOLLOW_UPS)} that the rules were written for, ", end="")
    print(f"{held_out} of {len(HELD_OUT)} written after them")
    assert seen >= 0.85 * len(FOLLOW_UPS)
    assert held_out >= 0.7 * len(HELD_OUT)


def test_questions_that_stand_alone_are_left_alone(real_services: Services) -> None:
    generator = real_services.models.generator
    changed = [t.last for t in STANDALONE if standalone_question(t.last, [t.earlier], generator) != t.last]
    assert changed == []
