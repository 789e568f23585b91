"""The adapter that turns a base decoder into the answerer: checked against the decoder, then merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from model.adapter_file import AnswererInfo, load_answerer
from model.decoder import Decoder
from model.decoder_tokenizer import DecoderTokenizer
from model.lora import merge_lora
from model.registry import ANSWERER_FILE, ModelCard, resolve_answerer
from model.weights import WeightsError


class AnswererMismatch(WeightsError):
    """An adapter was trained for another decoder or another tokenizer."""


@dataclass(frozen=True)
class Answerer:
    """An adapter that fits a decoder's card, read but not yet merged."""

    id: str
    sha256: str  # of its file
    info: AnswererInfo
    tensors: Mapping[str, Tensor]

    @classmethod
    def load(cls, name: str, base: ModelCard) -> Answerer:
        """The adapter called `name`, refused before the decoder's weights are read if they are not its own.

        Raises AnswererMismatch, and what `resolve_answerer` and `load_answerer` raise.
        """
        card = resolve_answerer(name)
        tensors, info = load_answerer(card.path / ANSWERER_FILE)
        if info.base_sha256 != base.sha256:
            raise AnswererMismatch(
                f"answerer {card.id} was trained on a decoder with SHA-256 {info.base_sha256[:12]}, "
                f"and {base.id} has {base.sha256[:12]}"
            )
        return cls(card.id, card.sha256, info, tensors)

    def merge_into(self, decoder: Decoder, tokenizer: DecoderTokenizer) -> None:
        """Change the weights; raises AnswererMismatch, and WeightsError for factors that do not fit."""
        if self.info.tokenizer_sha256 != tokenizer.id:
            raise AnswererMismatch(
                f"answerer {self.id} was trained with tokenizer {self.info.tokenizer_sha256[:12]}, "
                f"not {tokenizer.id[:12]}"
            )
        merge_lora(decoder, self.tensors, scale=self.info.scale)


def refusal_bias(info: AnswererInfo, tokenizer: DecoderTokenizer) -> tuple[int, float]:
    """The first token of a refusal and what its calibration adds to the token's logit."""
    return tokenizer.encode(f" {info.template.no_answer}", begin=False)[0], info.no_answer_bias
