"""The ONNX graph of a BERT encoder, in full precision or with 8-bit weights and activations.

The graph is written node by node, with the fused operators of ONNX Runtime (one for attention with its
three projections, one for a residual with its layer norm), so that no exporter and no optimiser decides
what runs. It takes embedded tokens: the table of words stays a map of the model's file, which all processes
share.

    hidden (b, l, d) float32   word, position and type embeddings, summed
    lengths (b,) int32         tokens of each text; those beyond are padding
    weights (b, 1, l) float32  what each token adds to the text's vector (pooling)
    → pooled (b, 1, d) float32
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

VERSION = 1  # of the graph that is made here: another number makes every home build it again
ACTIVATIONS = {"gelu": "Gelu", "relu": "Relu"}
MS = "com.microsoft"
INPUTS = ("qkv", "out", "up", "down")  # the four products of a layer

Weights = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Plan:
    """How to quantise. Names are ``<layer>.<product>``.

    ``ranges``: lowest and highest value of the product's input, after division. ``divisors``: by what each
    channel of the input is divided, and its weights multiplied (SmoothQuant, Xiao et al. 2023). ``exact``:
    products left in float32.
    """

    ranges: Mapping[str, tuple[float, float]]
    divisors: Mapping[str, np.ndarray]
    exact: frozenset[str]


def supported(config: Mapping[str, Any]) -> bool:
    """Whether the architecture is the BERT that this graph computes."""
    return (
        config.get("model_type") == "bert"
        and config.get("hidden_act", "gelu") in ACTIVATIONS
        and config.get("position_embedding_type", "absolute") == "absolute"
        and not config.get("is_decoder")
    )


def bert(
    weights: Weights, config: Mapping[str, Any], plan: Plan | None = None, show: Sequence[str] = ()
) -> bytes:
    """The graph, serialised; ``plan`` None is float32. ``show`` names inner values to be given out too."""
    return _Writer(weights, config, plan).write(show)


def eight_bits(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(inputs, outputs) float32 → int8 with a scale per output, symmetric."""
    scale = np.abs(matrix).max(axis=0) / 127.0
    scale[scale == 0] = 1.0
    return np.clip(np.rint(matrix / scale), -127, 127).astype(np.int8), scale.astype(np.float32)


def steps(low: float, high: float) -> tuple[np.ndarray, np.ndarray]:
    """Scale and zero point of an unsigned byte that covers the range and zero."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = np.float32((high - low) / 255.0 or 1.0)
    return np.array(scale, np.float32), np.array(np.clip(round(-low / scale), 0, 255), np.uint8)


@dataclass
class _Writer:
    weights: Weights
    config: Mapping[str, Any]
    plan: Plan | None
    nodes: list[Any] = field(default_factory=list)
    constants: list[Any] = field(default_factory=list)

    def write(self, show: Sequence[str]) -> bytes:
        from onnx import TensorProto, helper

        width, single = int(self.config["hidden_size"]), TensorProto.FLOAT
        self.epsilon = float(self.config.get("layer_norm_eps", 1e-12))
        norm = [
            self.constant(f"embeddings.{name}", self.weights[f"embeddings.LayerNorm.{name}"]) for name in NORM
        ]
        self.node(
            "LayerNormalization", ["hidden", *norm], "0.qkv.in", domain="", epsilon=self.epsilon, axis=-1
        )
        for layer in range(int(self.config["num_hidden_layers"])):
            self.layer(layer)
        self.node(
            "MatMul", ["weights", f"{int(self.config['num_hidden_layers'])}.qkv.in"], "pooled", domain=""
        )
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self.nodes,
            "bert",
            [
                value("hidden", single, ["b", "l", width]),
                value("lengths", TensorProto.INT32, ["b"]),
                value("weights", single, ["b", 1, "l"]),
            ],
            [value("pooled", single, ["b", 1, width]), *(value(name, single, None) for name in show)],
            self.constants,
        )
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid(MS, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()

    def layer(self, n: int) -> None:
        def of(name: str) -> np.ndarray:
            return self.weights[f"encoder.layer.{n}.{name}"]

        parts = ("query", "key", "value")
        matrix = np.concatenate([of(f"attention.self.{part}.weight").T for part in parts], axis=1)
        bias = np.concatenate([of(f"attention.self.{part}.bias") for part in parts])
        self.attention(f"{n}.qkv", matrix, bias, f"{n}.out.in")
        self.product(f"{n}.out", of("attention.output.dense.weight").T, of("attention.output.dense.bias"))
        self.residual(f"{n}.out", f"{n}.qkv.in", of, "attention.output", f"{n}.up.in")
        self.product(f"{n}.up", of("intermediate.dense.weight").T, of("intermediate.dense.bias"))
        activation = ACTIVATIONS[self.config.get("hidden_act", "gelu")]
        self.node(activation, [f"{n}.up"], f"{n}.down.in", domain="" if activation == "Relu" else MS)
        self.product(f"{n}.down", of("output.dense.weight").T, of("output.dense.bias"))
        self.residual(f"{n}.down", f"{n}.up.in", of, "output", f"{n + 1}.qkv.in")

    def attention(self, name: str, matrix: np.ndarray, bias: np.ndarray, out: str) -> None:
        heads, bias_name = int(self.config["num_attention_heads"]), self.constant(f"{name}.bias", bias)
        if self.plan is None or name in self.plan.exact:
            weight = self.constant(f"{name}.weight", matrix)
            self.node("Attention", [f"{name}.in", weight, bias_name, "lengths"], out, num_heads=heads)
            return
        value, scale, zero, weight, weight_scale, weight_zero = self.bytes_of(name, matrix, self.plan)
        inputs = [value, weight, bias_name, scale, weight_scale, "lengths", zero, weight_zero]
        self.node("QAttention", inputs, out, num_heads=heads)

    def product(self, name: str, matrix: np.ndarray, bias: np.ndarray) -> None:
        bias_name = self.constant(f"{name}.bias", bias)
        if self.plan is None or name in self.plan.exact:
            self.node(
                "MatMul", [f"{name}.in", self.constant(f"{name}.weight", matrix)], f"{name}.raw", domain=""
            )
            self.node("Add", [f"{name}.raw", bias_name], name, domain="")
            return
        value, scale, zero, weight, weight_scale, weight_zero = self.bytes_of(name, matrix, self.plan)
        inputs = [value, weight, scale, weight_scale, zero, weight_zero, bias_name]
        self.node("MatMulIntegerToFloat", inputs, name)

    def bytes_of(self, name: str, matrix: np.ndarray, plan: Plan) -> list[str]:
        """Quantise input and weights; the names of: input, its scale and zero, weights, their scales and zeros."""
        source = f"{name}.in"
        if name in plan.divisors:
            divisor = plan.divisors[name]
            matrix = matrix * divisor[:, None]
            self.node(
                "Mul", [source, self.constant(f"{name}.smooth", 1.0 / divisor)], f"{name}.even", domain=""
            )
            source = f"{name}.even"
        scale, zero = steps(*plan.ranges[name])
        step = [self.constant(f"{name}.step", scale), self.constant(f"{name}.zero", zero)]
        self.node("QuantizeLinear", [source, *step], f"{name}.bytes", domain="")
        weight, scales = eight_bits(matrix)
        names = [self.constant(f"{name}.weight", weight), self.constant(f"{name}.scales", scales)]
        return [
            f"{name}.bytes",
            *step,
            *names,
            self.constant(f"{name}.zeros", np.zeros(len(scales), np.int8)),
        ]

    def residual(self, value: str, skip: str, of: Any, norm: str, out: str) -> None:
        inputs = [self.constant(f"{value}.norm.{name}", of(f"{norm}.LayerNorm.{name}")) for name in NORM]
        self.node("SkipLayerNormalization", [value, skip, *inputs], out, epsilon=self.epsilon)

    def constant(self, name: str, array: np.ndarray) -> str:
        from onnx import numpy_helper

        single = array.astype(np.float32) if array.dtype.kind == "f" else array
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(single), name))
        return name

    def node(
        self, kind: str, inputs: Sequence[str], output: str, domain: str = MS, **attributes: Any
    ) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, domain=domain, **attributes))


NORM = ("weight", "bias")
