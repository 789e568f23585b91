"""The answerer's weights file: LoRA factors in half precision with everything needed to use them.

Its metadata names the format, the prompt template, the decoder and the tokenizer that it was trained with.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, log
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from model.prompt_template import PromptTemplate
from model.weights import WeightsError

FORMAT = "footnote-answerer/1"
_EVIDENCE = "no_answer_bias_by_evidence"


def log_odds(probability: float) -> float:
    """Natural logarithm of p / (1 - p), for p within 0.0001 and 0.9999."""
    p = min(max(probability, 1e-4), 1 - 1e-4)
    return log(p / (1 - p))


@dataclass(frozen=True, slots=True)
class RefusalByEvidence:
    """What is added to the logit of a refusal's first token, by how relevant the best passage is."""

    bias: float
    slope: float  # 0 or more, a unit of log-odds

    def at(self, best_score: float) -> float:
        """For the best passage's calibrated relevance, 0..1: the better it is, the less is refused."""
        return self.bias - self.slope * log_odds(best_score)


@dataclass(frozen=True, slots=True)
class AnswererInfo:
    """What belongs to an adapter besides its factors."""

    template: PromptTemplate  # the words around every task it was trained on
    base_sha256: str  # of the decoder's weights file
    tokenizer_sha256: str  # `DecoderTokenizer.id`
    rank: int
    alpha: float
    no_answer_bias: float = 0.0  # added to the logit of a refusal's first token: calibrates refusals
    by_evidence: RefusalByEvidence | None = None  # in its place where the best passage's score is known

    @property
    def scale(self) -> float:
        """What the product of the factors is multiplied by."""
        return self.alpha / self.rank


def save_answerer(path: Path, tensors: Mapping[str, Tensor], info: AnswererInfo) -> None:
    """Write the factors (see `lora_tensors`) as fp16 with their metadata; the file appears whole or not.

    Raises WeightsError for factors that fp16 cannot hold.
    """
    halves = {name: tensor.detach().cpu().half().contiguous() for name, tensor in tensors.items()}
    if not all(bool(tensor.isfinite().all()) for tensor in halves.values()):
        raise WeightsError("the adapter has factors that are no finite fp16 numbers")
    partial = path.with_suffix(".partial")
    save_file(halves, partial, _metadata(info))
    partial.chmod(0o644)  # safetensors writes for the owner alone; a service often runs as another user
    os.replace(partial, path)


def load_answerer(path: Path) -> tuple[dict[str, Tensor], AnswererInfo]:
    """The factors, fp32 on the CPU, and what belongs to them.

    Raises WeightsError when the file is damaged or is no adapter of this format. Whether it fits a decoder
    is for `merge_lora` and `Answerer` to say.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"{path} has format {metadata.get('format')!r}, not {FORMAT!r}")
    try:
        info = _info(metadata)
    except (KeyError, ValueError) as error:
        raise WeightsError(f"{path} has metadata that cannot be used: {error}") from error
    if any(tensor.shape[0] != info.rank for name, tensor in tensors.items() if name.endswith(".a")):
        raise WeightsError(f"{path} has factors of another rank than {info.rank}")
    return tensors, info


def _metadata(info: AnswererInfo) -> dict[str, str]:
    evidence = info.by_evidence
    more = {} if evidence is None else {_EVIDENCE: json.dumps([evidence.bias, evidence.slope])}
    return {
        "format": FORMAT,
        "template": info.template.to_json(),
        "base_sha256": info.base_sha256,
        "tokenizer_sha256": info.tokenizer_sha256,
        "rank": str(info.rank),
        "alpha": repr(info.alpha),
        "no_answer_bias": repr(info.no_answer_bias),
        **more,
    }


def _info(metadata: Mapping[str, str]) -> AnswererInfo:
    rank, alpha, bias = (float(metadata[name]) for name in ("rank", "alpha", "no_answer_bias"))
    if not (rank >= 1 and isfinite(alpha) and isfinite(bias)):
        raise ValueError(f"rank {rank}, alpha {alpha}, no_answer_bias {bias}")
    return AnswererInfo(
        template=PromptTemplate.from_json(metadata["template"]),
        base_sha256=metadata["base_sha256"],
        tokenizer_sha256=metadata["tokenizer_sha256"],
        rank=int(rank),
        alpha=alpha,
        no_answer_bias=bias,
        by_evidence=_by_evidence(metadata),
    )


def _by_evidence(metadata: Mapping[str, str]) -> RefusalByEvidence | None:
    """None in files that were written before there was such a calibration."""
    if _EVIDENCE not in metadata:
        return None
    bias, slope = map(float, json.loads(metadata[_EVIDENCE]))
    if not (isfinite(bias) and isfinite(slope) and slope >= 0):
        raise ValueError(f"{_EVIDENCE} {bias}, {slope}")
    return RefusalByEvidence(bias, slope)
