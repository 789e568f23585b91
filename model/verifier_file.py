"""The verifier's weights file: only the tensors that differ from the packaged encoder, in half precision.

Everything else is taken from the encoder that the metadata names by checksum; another encoder, another
tokenizer or another set of tensors is refused.
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

from model.encoder import load_encoder
from model.registry import ModelCard
from model.verifier import VerifierNetwork
from model.weights import WeightsError

FORMAT = "footnote-verifier/1"


@dataclass(frozen=True, slots=True)
class VerdictCalibration:
    """Vector scaling (Guo et al., 2017): probabilities = softmax(logits / temperature + bias)."""

    temperature: float = 1.0
    bias: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Logits [B, 3] to probabilities fp32 [B, 3]."""
        return (
            logits.float() / self.temperature + logits.new_tensor(self.bias, dtype=torch.float32)
        ).softmax(-1)


@dataclass(frozen=True, slots=True)
class LoadedVerifier:
    """A verifier's weights file, read."""

    model: VerifierNetwork
    calibration: VerdictCalibration
    max_tokens: int  # longest row


def frozen_names(model: VerifierNetwork) -> set[str]:
    """Names of the tensors that are the packaged encoder's."""
    frozen = {id(parameter) for part in model.frozen() for parameter in part.parameters()}
    return {name for name, parameter in model.named_parameters() if id(parameter) in frozen}


def save_verifier(
    path: Path,
    model: VerifierNetwork,
    calibration: VerdictCalibration,
    *,
    encoder_sha256: str,
    tokenizer_id: str,
    max_tokens: int,
) -> None:
    """Write the trained tensors as fp16 with their metadata; the file appears whole or not at all."""
    left_out = frozen_names(model)
    tensors = {
        name: tensor.detach().half().contiguous()
        for name, tensor in model.state_dict().items()
        if name not in left_out
    }
    metadata = {
        "format": FORMAT,
        "encoder_sha256": encoder_sha256,
        "tokenizer_sha256": tokenizer_id,
        "frozen_layers": str(model.frozen_layers),
        "calibration": json.dumps(asdict(calibration)),
        "max_tokens": str(max_tokens),
    }
    partial = path.with_suffix(".partial")
    save_file(tensors, partial, metadata)
    partial.chmod(0o644)  # safetensors writes for the owner alone; a service often runs as another user
    os.replace(partial, path)


def load_verifier(path: Path, encoder: ModelCard, tokenizer_id: str) -> LoadedVerifier:
    """The fp32 network in evaluation mode on top of `encoder`'s weights.

    Raises WeightsError when the file is damaged, is no verifier of this format, was trained on another
    encoder or tokenizer, or lacks or adds tensors.
    """
    metadata, tensors = _read(path)
    _expect(path, "format", metadata.get("format"), FORMAT)
    _expect(path, "encoder", metadata.get("encoder_sha256"), encoder.sha256)
    _expect(path, "tokenizer", metadata.get("tokenizer_sha256"), tokenizer_id)
    model = VerifierNetwork(load_encoder(encoder.path), int(metadata["frozen_layers"]))
    _fill(path, model, tensors)
    raw = json.loads(metadata["calibration"])
    calibration = VerdictCalibration(raw["temperature"], (raw["bias"][0], raw["bias"][1], raw["bias"][2]))
    return LoadedVerifier(model.eval(), calibration, int(metadata["max_tokens"]))


def _read(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - not a dict
            return file.metadata() or {}, tensors
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} cannot be read: {error}") from error


def _expect(path: Path, what: str, found: str | None, wanted: str) -> None:
    if found != wanted:
        raise WeightsError(f"{path} was made for {what} {found!r}, not {wanted!r}")


def _fill(path: Path, model: VerifierNetwork, tensors: dict[str, Tensor]) -> None:
    """Every tensor comes from exactly one place: this file, or the encoder."""
    wanted = set(model.state_dict()) - frozen_names(model)
    if set(tensors) != wanted:
        missing, extra = sorted(wanted - set(tensors)), sorted(set(tensors) - wanted)
        raise WeightsError(f"{path} lacks {missing[:8]} and adds {extra[:8]}")
    try:
        model.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        raise WeightsError(f"{path} does not fit the network it describes: {error}") from error
