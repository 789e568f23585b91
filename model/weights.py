"""Reading checkpoints into a module: every tensor has exactly one place, and every place gets its tensor.

A checkpoint may hold as several tensors what a module keeps as one (query, key and value projections are
multiplied in one go), so a tensor's place is a range of rows of a parameter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

INDEX_FILE = "model.safetensors.index.json"
SINGLE_FILE = "model.safetensors"
_NAMES_SHOWN = 8  # in an error message


class WeightsError(ValueError):
    """A checkpoint does not fit the network: tensors missing, unknown, doubled or of another shape."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a checkpoint's tensor goes."""

    parameter: str  # name in the module
    start: int = 0  # first row it fills
    rows: int | None = None  # rows it fills; None: the whole parameter
    add: float = 0.0  # added to every value, for formats that store norms as `w` with `1 + w` meant


def fill(module: nn.Module, places: Mapping[str, Place], tensors: Iterable[tuple[str, Tensor]]) -> None:
    """Copy tensors by name into the module's parameters, converting to each parameter's dtype and device.

    One tensor is held at a time. Raises WeightsError unless the names are exactly those of `places`.
    """
    parameters = dict(module.named_parameters())
    filled: set[str] = set()
    extra: list[str] = []
    for name, tensor in tensors:
        if name not in places:
            extra.append(name)
            continue
        if name in filled:
            raise WeightsError(f"tensor {name} is in the checkpoint twice")
        _copy(name, tensor, parameters[places[name].parameter], places[name])
        filled.add(name)
    missing = sorted(places.keys() - filled)
    if missing or extra:
        raise WeightsError(f"missing tensors: {_listed(missing)}; unknown tensors: {_listed(sorted(extra))}")


def _copy(name: str, tensor: Tensor, parameter: Tensor, place: Place) -> None:
    rows = parameter.shape[0] if place.rows is None else place.rows
    target = parameter.detach()[place.start : place.start + rows]
    if tensor.numel() != target.numel() or tensor.shape[-1] != target.shape[-1]:
        raise WeightsError(
            f"tensor {name} has shape {tuple(tensor.shape)}; {place.parameter} takes {tuple(target.shape)}"
        )
    target.copy_((tensor.float() + place.add if place.add else tensor).view(target.shape))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(names[:_NAMES_SHOWN]) + more if names else "none"


def safetensors_files(folder: Path) -> list[Path]:
    """The weight files of a checkpoint folder, sharded or single; raises WeightsError when there are none."""
    index = folder / INDEX_FILE
    if not index.is_file():
        files = [folder / SINGLE_FILE]
    else:
        names = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        files = [folder / name for name in sorted(set(names))]
    for file in files:
        if not file.is_file():
            raise WeightsError(f"no weights file {file}")
        if file.parent != folder:
            raise WeightsError(f"weights file {file} lies outside its checkpoint folder")
    return files


def read_safetensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a checkpoint folder by name, one at a time; raises WeightsError on a damaged file."""
    for file in safetensors_files(folder):
        try:
            with safe_open(file, framework="pt") as checkpoint:
                for name in checkpoint.keys():  # noqa: SIM118 (not a mapping)
                    yield name, checkpoint.get_tensor(name)
        except SafetensorError as error:
            raise WeightsError(f"{file} cannot be read: {error}") from error
