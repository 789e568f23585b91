"""One adapter out of several.

`python -m model.train.answers.merge --parts A B --shares 0.5 0.5 --out FOLDER`: adapters trained apart on the
same decoder err on different questions, and the mean of their changes to the weights can be better than each
(model soups, Wortsman et al., 2022). Factors of different runs have nothing to do with each other, so changes
are averaged, not factors, and cut to the best `rank` again by singular values. The result keeps the first
part's calibration: `model.train.answers.calibrate` fits its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from model.adapter_file import AnswererInfo, load_answerer, save_answerer
from model.registry import ANSWERER_FILE, resolve_answerer, sha256_of

Adapter = tuple[Mapping[str, Tensor], AnswererInfo]


def merge(parts: Sequence[Adapter], shares: Sequence[float], rank: int) -> tuple[dict[str, Tensor], float]:
    """Factors of the weighted mean of the parts' changes, and the share of its square norm that they keep.

    The scale is 1, so `alpha` of the result is its rank. Raises ValueError for parts of different decoders,
    tokenizers or templates, and for shares that are not one a part.
    """
    if len(parts) != len(shares):
        raise ValueError(f"{len(parts)} parts need as many shares, not {len(shares)}")
    for _, info in parts[1:]:
        _same_origin(parts[0][1], info)
    tensors: dict[str, Tensor] = {}
    kept = total = 0.0
    for name in sorted(name.removesuffix(".a") for name in parts[0][0] if name.endswith(".a")):
        change = sum(share * _change(part, name) for part, share in zip(parts, shares, strict=True))
        assert isinstance(change, Tensor)
        left, values, right = torch.linalg.svd(change, full_matrices=False)
        root = values[:rank].sqrt()
        tensors[f"{name}.b"] = left[:, :rank] * root
        tensors[f"{name}.a"] = root[:, None] * right[:rank]
        kept += float(values[:rank].square().sum())
        total += float(values.square().sum())
    return tensors, kept / total if total else math.nan


def _change(part: Adapter, name: str) -> Tensor:
    tensors, info = part
    product: Tensor = tensors[f"{name}.b"].float() @ tensors[f"{name}.a"].float()
    return info.scale * product


def _same_origin(first: AnswererInfo, other: AnswererInfo) -> None:
    for field in ("template", "base_sha256", "tokenizer_sha256"):
        if getattr(first, field) != getattr(other, field):
            raise ValueError(f"the adapters have another {field}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m model.train.answers.merge", description=__doc__)
    parser.add_argument("--parts", nargs="+", required=True, help="`builtin` or folders of answerers")
    parser.add_argument("--shares", nargs="+", type=float, required=True, help="one a part")
    parser.add_argument("--rank", type=int, default=48, help="of the result: 48 are 19.5 MB")
    parser.add_argument("--out", type=Path, required=True, help="folder of the artifact")
    chosen = parser.parse_args(arguments)
    cards = [resolve_answerer(name) for name in chosen.parts]
    parts = [load_answerer(card.path / ANSWERER_FILE) for card in cards]
    tensors, kept = merge(parts, chosen.shares, chosen.rank)
    chosen.out.mkdir(parents=True, exist_ok=True)
    info = dataclasses.replace(parts[0][1], rank=chosen.rank, alpha=float(chosen.rank))
    save_answerer(chosen.out / ANSWERER_FILE, tensors, info)
    report: dict[str, Any] = {
        "parts": [
            {"sha256": card.sha256, "share": share} for card, share in zip(cards, chosen.shares, strict=True)
        ],
        "rank": chosen.rank,
        "kept_of_square_norm": round(kept, 4),
        "weights_sha256": sha256_of(chosen.out / ANSWERER_FILE),
    }
    (chosen.out / "merge.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
