"""How sure the answerer is that the passages answer a question, and the logit that asks for more. Pure.

Sureness is the chance of an answer beside a refusal: the logistic function of by how much the likeliest other
first token leads a refusal's. At 0.5 the two are even, which is where the answerer was calibrated.
"""

from __future__ import annotations

import math

_CLOSEST = 1e-9  # to 0 and 1: 20.7 units of log-odds, more than any calibrated lead


def sureness_of(refusal_lead: float) -> float:
    """Sureness 0..1 of an answer that a refusal leads by this much."""
    return 0.5 * (1 - math.tanh(refusal_lead / 2))


def refusal_offset(min_sureness: float) -> float:
    """What added to a refusal's first logit refuses exactly what is less sure than this."""
    p = min(max(min_sureness, _CLOSEST), 1 - _CLOSEST)
    return math.log(p / (1 - p))
