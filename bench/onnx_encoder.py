"""The encoder as an ONNX graph of ONNX Runtime's fused operators, which is what its optimiser makes of BERT.

Written from the weights, because exporters need more packages; `quantized` is its dynamic int8 recipe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.peers import library
from model.config import EncoderConfig

Weights = Mapping[str, NDArray[np.float32]]
Run = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]]
"""Token ids [B, T] and mask [B, T] to token vectors [B, T, C]."""

MICROSOFT = "com.microsoft"  # the domain of the fused operators
OPSET = 17
IR_VERSION = 9


def write_encoder(config: EncoderConfig, weights: Weights, path: Path) -> Path:
    """The whole encoder in fp32 at `path`: token ids and mask in, token vectors out."""
    graph = _Graph(weights, config)
    hidden = graph.embeddings()
    for layer in range(config.layers):
        hidden = graph.block(f"encoder.layer.{layer}", hidden)
    graph.save(hidden, path)
    return path


def quantized(path: Path) -> Path:
    """The same graph beside it, its products in int8 with scales found at run time."""
    target = path.with_name(f"{path.stem}-int8.onnx")
    quantization, float_type = library("onnxruntime.quantization"), library("onnx").TensorProto.FLOAT
    quantization.quantize_dynamic(
        path,
        target,
        weight_type=quantization.QuantType.QInt8,
        extra_options={"DefaultTensorType": float_type},  # of fused operators, which its inference skips
    )
    return target


def load(path: Path, threads: int) -> Run:
    """A session on the CPU with every optimisation on, as it is by default."""
    runtime = library("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(token_ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        inputs = {"token_ids": token_ids.astype(np.int32), "mask": mask.astype(np.int32)}
        result: NDArray[np.float32] = session.run(None, inputs | {"types": np.zeros_like(inputs["mask"])})[0]
        return result

    return run


class _Graph:
    """Nodes and constants as they are added; every method returns the name of its result."""

    def __init__(self, weights: Weights, config: EncoderConfig) -> None:
        self._onnx = library("onnx")
        self._weights, self._config = weights, config
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}

    def embeddings(self) -> str:
        """Words, positions and types, normalised; `lengths` comes from the mask."""
        tables = (f"embeddings.{kind}_embeddings.weight" for kind in ("word", "position", "token_type"))
        inputs = ["token_ids", "types", *(self._constant(name) for name in tables)]
        inputs += [*self._norm("embeddings.LayerNorm"), "mask"]
        self._node(
            "EmbedLayerNormalization", inputs, "embedded", "lengths", epsilon=self._config.norm_epsilon
        )
        return "embedded"

    def block(self, name: str, hidden: str) -> str:
        """Attention and feed-forward part, each with residual and norm."""
        mixed = self._node(
            "Attention",
            [hidden, *self._qkv(f"{name}.attention.self"), "lengths"],
            f"{name}.mixed",
            num_heads=self._config.heads,
        )
        output = f"{name}.attention.output"
        hidden = self._residual(self._product(mixed, f"{output}.dense"), hidden, output)
        inner = self._product(hidden, f"{name}.intermediate.dense")
        bias = self._constant(f"{name}.intermediate.dense.bias")
        inner = self._node("BiasGelu", [inner, bias], f"{name}.gelu")
        return self._residual(self._product(inner, f"{name}.output.dense"), hidden, f"{name}.output")

    def save(self, result: str, path: Path) -> None:
        """Checkable model file with one output."""
        helper, kinds = self._onnx.helper, self._onnx.TensorProto
        inputs = [
            helper.make_tensor_value_info(name, kinds.INT32, ["batch", "tokens"])
            for name in ("token_ids", "types", "mask")
        ]
        output = helper.make_tensor_value_info(result, kinds.FLOAT, ["batch", "tokens", self._config.width])
        graph = helper.make_graph(self._nodes, "encoder", inputs, [output], list(self._constants.values()))
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        self._onnx.save(model, str(path))

    def _residual(self, new: str, old: str, name: str) -> str:
        inputs = [new, old, *self._norm(f"{name}.LayerNorm"), self._constant(f"{name}.dense.bias")]
        return self._node(
            "SkipLayerNormalization", inputs, f"{name}.normed", epsilon=self._config.norm_epsilon
        )

    def _product(self, hidden: str, name: str) -> str:
        """The linear layer without its bias, which the next fused operator adds."""
        weight = self._constant(f"{name}.weight", self._weights[f"{name}.weight"].T)
        return self._node("MatMul", [hidden, weight], f"{name}.product", domain="")

    def _qkv(self, name: str) -> list[str]:
        parts = ("query", "key", "value")
        weight = np.concatenate([self._weights[f"{name}.{part}.weight"] for part in parts])
        bias = np.concatenate([self._weights[f"{name}.{part}.bias"] for part in parts])
        return [self._constant(f"{name}.qkv.weight", weight.T), self._constant(f"{name}.qkv.bias", bias)]

    def _norm(self, name: str) -> list[str]:
        return [self._constant(f"{name}.weight"), self._constant(f"{name}.bias")]

    def _constant(self, name: str, value: NDArray[np.float32] | None = None) -> str:
        array = np.ascontiguousarray(self._weights[name] if value is None else value, dtype=np.float32)
        self._constants.setdefault(name, self._onnx.numpy_helper.from_array(array, name))
        return name

    def _node(
        self, kind: str, inputs: list[str], *outputs: str, domain: str = MICROSOFT, **attributes: Any
    ) -> str:
        node = self._onnx.helper.make_node(kind, inputs, list(outputs), domain=domain, **attributes)
        self._nodes.append(node)
        return outputs[0]
