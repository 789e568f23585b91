"""What others would use instead: imported only when measured, named with their installation when absent."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from app.errors import AppError

T = TypeVar("T")


class PeerMissing(AppError):
    """A library that a benchmark needs is not installed."""

    code = "peer_missing"
    stage = "bench"
    default_next_step = "`make bench` installs what the benchmarks compare with."


@dataclass(frozen=True, slots=True)
class Missing:
    """A peer that could not take part."""

    name: str
    install: str  # what makes it take part


@dataclass(frozen=True, slots=True)
class Peer(Generic[T]):
    """Something to measure against, behind the interface T of its benchmark."""

    name: str
    modules: tuple[str, ...]  # that must be installed
    install: str  # the command that installs them
    load: Callable[[], T]


def library(name: str) -> Any:
    """A module that is installed or not; typed as anything, because it may be absent where types are checked.

    Raises PeerMissing.
    """
    if not _is_installed(name):
        raise PeerMissing(f"The package {name.split('.')[0]} is not installed.")
    return importlib.import_module(name)


def load_peers(peers: Sequence[Peer[T]], *, required: bool = False) -> tuple[dict[str, T], list[Missing]]:
    """The installed peers by name, and those missing; with `required` any of these is PeerMissing."""
    present = [peer for peer in peers if all(map(_is_installed, peer.modules))]
    missing = [Missing(peer.name, peer.install) for peer in peers if peer not in present]
    if required and missing:
        names = ", ".join(peer.name for peer in missing)
        commands = "; ".join(dict.fromkeys(peer.install for peer in missing))
        raise PeerMissing(f"Peers are missing: {names}.", next_step=f"Run: {commands}")
    return {peer.name: peer.load() for peer in present}, missing


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module.split(".")[0]) is not None
