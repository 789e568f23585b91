"""The cross-encoder's weights file: tensors in half precision with everything needed to use them.

Its metadata names the format, the network's shape, the calibration and the tokenizer; a file that
belongs to other code or another tokenizer is refused.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from model.config import EncoderConfig
from model.cross_encoder import CrossEncoder
from model.encoder import Encoder
from model.weights import WeightsError

FORMAT = "footnote-cross-encoder/1"


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt scaling: probability = sigmoid((logit - bias) / temperature)."""

    temperature: float = 1.0
    bias: float = 0.0

    def probability(self, logits: Tensor) -> Tensor:
        """Logits [B] to probabilities fp32 [B]."""
        return torch.sigmoid((logits.float() - self.bias) / self.temperature)


def save_reranker(
    path: Path, model: CrossEncoder, calibration: Calibration, tokenizer_id: str, max_tokens: int
) -> None:
    """Write the weights as fp16 with their metadata; the file appears whole or not at all."""
    tensors = {name: tensor.detach().half().contiguous() for name, tensor in model.state_dict().items()}
    metadata = {
        "format": FORMAT,
        "config": json.dumps(model.config.to_dict()),
        "calibration": json.dumps(asdict(calibration)),
        "tokenizer_sha256": tokenizer_id,
        "max_tokens": str(max_tokens),
    }
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata)
    partial.chmod(0o644)  # safetensors writes for the owner alone; a service often runs as another user
    os.replace(partial, path)


def load_reranker(path: Path, tokenizer_id: str) -> tuple[CrossEncoder, Calibration, int]:
    """The fp32 model in evaluation mode, its calibration and its longest row in tokens.

    Raises WeightsError when the file is damaged, is no cross-encoder of this format, was trained with
    another tokenizer, or lacks or adds tensors.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"{path} has format {metadata.get('format')!r}, not {FORMAT!r}")
    if metadata["tokenizer_sha256"] != tokenizer_id:
        raise WeightsError(
            f"{path} was trained with tokenizer {metadata['tokenizer_sha256']}, not {tokenizer_id}"
        )
    model = CrossEncoder(Encoder(EncoderConfig(**json.loads(metadata["config"]))))
    _fill(path, model, tensors)
    return model.eval(), Calibration(**json.loads(metadata["calibration"])), int(metadata["max_tokens"])


def _fill(path: Path, model: CrossEncoder, tensors: dict[str, Tensor]) -> None:
    try:
        model.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        raise WeightsError(f"{path} does not fit the network it describes: {error}") from error
