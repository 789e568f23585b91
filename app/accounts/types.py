"""Who is asking. Everything that reads or writes rows is scoped by one of these."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Account:
    """The owner of rows; `id` is `users.id`."""

    id: int
    name: str
