"""Losses of adapters on the same held-out packs, by split and mask: what a merge is chosen by, on `dev`.

`python -m model.train.answers.compare --data DATA/train --answerers builtin FOLDER... --split dev`
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

import torch

from model.answerer import Answerer
from model.decoder_tokenizer import PromptMask
from model.device import set_threads
from model.lora import merge_lora
from model.prompt_template import PromptTemplate
from model.registry import GEMMA_PACKAGE
from model.train.answerer import load_base, pack_maker, packs_loss
from model.train.answers.data import load_answers
from model.train.answers.packing import Pack
from model.train.data import Split


@torch.no_grad()
def losses(
    name: str, packs: Mapping[PromptMask, Sequence[Pack]], decoder_name: str, models_folder: Path
) -> dict[PromptMask, float]:
    """Mean loss an answer of the adapter called `name`, merged into its decoder, on each mask's packs."""
    card, decoder, _ = load_base(decoder_name, models_folder)
    adapter = Answerer.load(name, card)
    merge_lora(decoder, adapter.tensors, scale=adapter.info.scale)
    return {
        mask: sum(packs_loss(decoder, [pack])[0].item() for pack in each)
        / sum(len(pack.branches) for pack in each)
        for mask, each in packs.items()
    }


def held_out(stream: Iterator[Pack], count: int) -> dict[PromptMask, list[Pack]]:
    """The first `count` packs of each mask."""
    found: dict[PromptMask, list[Pack]] = {mask: [] for mask in get_args(PromptMask)}
    for pack in stream:
        if len(found[pack.mask]) < count:
            found[pack.mask].append(pack)
        if all(len(each) == count for each in found.values()):
            return found
    raise AssertionError("packs never end")


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m model.train.answers.compare", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the training files")
    parser.add_argument("--answerers", nargs="+", required=True, help="`builtin` or folders")
    parser.add_argument("--split", choices=get_args(Split), default="dev")
    parser.add_argument("--packs", type=int, default=30, help="of each mask")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--decoder", default=GEMMA_PACKAGE)
    parser.add_argument("--models", type=Path, default=Path("data/models"), help="where the base is unpacked")
    chosen = parser.parse_args(arguments)
    set_threads(0)
    _, _, tokenizer = load_base(chosen.decoder, chosen.models)
    maker = pack_maker(load_answers(chosen.data, chosen.split), tokenizer, PromptTemplate())
    packs = held_out(maker.packs(random.Random(chosen.seed)), chosen.packs)
    for name in chosen.answerers:
        found = losses(name, packs, chosen.decoder, chosen.models)
        print(json.dumps({"answerer": name, "split": chosen.split, **found}), flush=True)


if __name__ == "__main__":
    main()
