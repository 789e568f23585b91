"""A forward pass that can stop between two layers and go on later, and what tells it to."""

from __future__ import annotations

import ctypes
from typing import Protocol

from torch import Tensor


class Interrupt:
    """Asks the pass under way to stop after its layer; used as a `threading.Event`, by any thread.

    The flag lies in plain memory, so that native code sees it at every layer and needs no lock of Python.
    """

    def __init__(self) -> None:
        self._flag = ctypes.c_int32(0)

    def set(self) -> None:
        """Ask."""
        self._flag.value = 1

    def clear(self) -> None:
        """Ask no more."""
        self._flag.value = 0

    def is_set(self) -> bool:
        """Whether it is asked."""
        return bool(self._flag.value)

    @property
    def address(self) -> int:
        """Of the int32 that is 0 or 1, for as long as this object lives."""
        return ctypes.addressof(self._flag)


class ForwardPass(Protocol):
    """New tokens of one sequence on their way through the layers.

    Finished layers have written their keys and values, and the states are kept as they are: a pass that was
    stopped computes nothing twice and ends with the same bits as one that was not.
    """

    def run(self, interrupt: Interrupt | None = None, /) -> bool:
        """Go on, one layer at least; False when `interrupt` stopped it before the last layer."""
        ...

    @property
    def last_state(self) -> Tensor:
        """Final normed state [C] of the last token, once `run` returned True."""
        ...

    @property
    def remaining_tokens(self) -> int:
        """Tokens whose computation takes as long as what is left."""
        ...


def remaining_share(tokens: int, layers_left: int, layers: int) -> int:
    """The number of tokens whose way through all layers equals that of `tokens` through those left."""
    return -(-tokens * layers_left // layers)
