"""Other ways to run the same encoder: texts in, unit vectors out."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import load_file

from bench import onnx_encoder
from bench.peers import Peer, library
from model.config import EncoderConfig
from model.tokenizer import EncoderTokenizer

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
BATCH = 32  # of sentence-transformers by default

REFERENCE = "sentence-transformers fp32"  # what the others' vectors are compared with
INSTALL_SENTENCE_TRANSFORMERS = "pip install sentence-transformers"
INSTALL_ONNX = "pip install onnxruntime onnx"


def encoder_peers(folder: Path, config: EncoderConfig, max_tokens: int, threads: int) -> list[Peer[Encode]]:
    """All of them on the weights in `folder`, with `threads` threads on the CPU."""
    st, ort = ("sentence_transformers",), ("onnxruntime", "onnx")

    def onnx(*, int8: bool) -> Encode:
        return _onnx_runtime(folder, config, max_tokens, threads, int8=int8)

    return [
        Peer(REFERENCE, st, INSTALL_SENTENCE_TRANSFORMERS, lambda: _sentences(folder, torch.float32)),
        Peer(
            "sentence-transformers bf16",
            st,
            INSTALL_SENTENCE_TRANSFORMERS,
            lambda: _sentences(folder, torch.bfloat16),
        ),
        Peer("onnxruntime fp32", ort, INSTALL_ONNX, lambda: onnx(int8=False)),
        Peer("onnxruntime int8", ort, INSTALL_ONNX, lambda: onnx(int8=True)),
    ]


def _sentences(folder: Path, dtype: torch.dtype) -> Encode:
    """As its users call it; it sorts by length and pads itself."""
    model = library("sentence_transformers").SentenceTransformer(str(folder), device="cpu").to(dtype)

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        vectors: torch.Tensor = model.encode(
            list(texts), batch_size=BATCH, convert_to_tensor=True, show_progress_bar=False
        )
        result: NDArray[np.float32] = vectors.float().numpy()
        return result

    return encode


def _onnx_runtime(
    folder: Path, config: EncoderConfig, max_tokens: int, threads: int, *, int8: bool
) -> Encode:
    weights = load_file(folder / "model.safetensors")
    tokenizer = EncoderTokenizer.load(folder / "tokenizer.json")
    with tempfile.TemporaryDirectory() as place:
        path = onnx_encoder.write_encoder(config, weights, Path(place) / "encoder.onnx")
        run = onnx_encoder.load(onnx_encoder.quantized(path) if int8 else path, threads)

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        rows = [tokenizer.single(ids, max_tokens) for ids in tokenizer.encode(texts)]
        order = np.argsort([-len(row) for row in rows])
        vectors = np.zeros((len(rows), config.width), dtype=np.float32)
        for start in range(0, len(rows), BATCH):
            batch = order[start : start + BATCH]
            vectors[batch] = _pooled(run, [rows[index] for index in batch])
        return vectors

    return encode


def _pooled(run: onnx_encoder.Run, rows: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """Mean over real tokens, of unit length: [B, C]."""
    lengths = np.array([len(row) for row in rows])
    mask = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
    token_ids = np.zeros_like(mask)
    token_ids[mask == 1] = np.concatenate(rows)
    summed: Any = (run(token_ids, mask) * mask[..., None]).sum(axis=1)
    pooled: NDArray[np.float32] = summed / np.linalg.norm(summed, axis=1, keepdims=True)
    return pooled
