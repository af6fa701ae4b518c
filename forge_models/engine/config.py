"""What an engine is made of, what it weighs, and why a configuration is refused. No torch here: it is read early.

The sizes: ``small`` trains on a laptop, ``base`` has some 25 million parameters, ``large`` some 680 million
(757 million with an embedding of 50,257 tokens). The smallest is the default.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from forge_core.errors import UsageError

PRECISIONS = ("fp32", "bf16", "fp16")
CONFIG = "FORGE-ENGINE-CONFIG"


@dataclass(frozen=True)
class EngineConfig:
    """A retentive network (Sun et al. 2023, arXiv 2307.08621).

    ``embed_dim`` D, ``num_heads`` H, and ``value_factor`` f: keys have D / H dimensions per head, values f D / H.
    ``ffn_dim`` is the inner width of the gated feed-forward block, of each expert where there are any.
    ``max_seq_len`` is the length that memory is planned for; longer sequences go through chunk by chunk.
    ``num_experts`` 0 is a dense feed-forward block; else each token goes to the ``top_k`` best of them.
    ``decay``: what the shortest and the longest remembering head keep per step, the others lie between them, even
    in the logarithm of their memory; with ``learn_decay`` they are learned within that range.
    ``chunk``: the longest chunk of the chunkwise form (around 64 measured fastest on CPUs).
    ``head_eps``: floor under the mean square of a head's output, which is around 1. A first token whose query and key
    are at right angles gives nothing but rounding errors; with a small floor they would be blown up to full size.
    """

    embed_dim: int = 64
    num_heads: int = 2
    num_layers: int = 2
    ffn_dim: int = 128
    value_factor: int = 2
    max_seq_len: int = 2048
    dropout: float = 0.1
    gradient_checkpointing: bool = False
    num_experts: int = 0
    top_k: int = 2
    balance_weight: float = 0.01  # Switch Transformer (Fedus et al. 2022)
    z_weight: float = 1e-3  # ST-MoE (Zoph et al. 2022)
    decay: tuple[float, float] = (1 - 1 / 32, 1 - 1 / 512)
    learn_decay: bool = False
    rotary_base: float = 10_000.0
    chunk: int = 64
    norm_eps: float = 1e-6
    head_eps: float = 1e-2

    @classmethod
    def sized(cls, name: str = "small", **changes: Any) -> EngineConfig:
        """One of the three sizes, with ``changes``; refused where they do not fit together."""
        if name not in SIZES:
            raise UsageError(
                CONFIG, "There is no engine of that size.", fix=f"Choose one of: {', '.join(SIZES)}."
            )
        return cls.of({**SIZES[name], **changes})

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> EngineConfig:
        """From a mapping, as it stands in a checkpoint's JSON; unknown names are refused."""
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise UsageError(
                CONFIG,
                f"The engine has no setting called {', '.join(unknown)}.",
                fix=f"Its settings are: {', '.join(sorted(known))}.",
            )
        kept: dict[str, Any] = dict(values)
        if isinstance(kept.get("decay"), list):
            kept["decay"] = tuple(kept["decay"])
        return cls(**kept).validate()

    def as_dict(self) -> dict[str, Any]:
        """All settings, as ``of`` takes them."""
        return dataclasses.asdict(self)

    @property
    def key_dim(self) -> int:
        """Dimensions of a key, per head."""
        return self.embed_dim // self.num_heads

    @property
    def value_dim(self) -> int:
        """Dimensions of a value, per head."""
        return self.key_dim * self.value_factor

    @property
    def inner_dim(self) -> int:
        """Dimensions of all values together."""
        return self.embed_dim * self.value_factor

    def validate(self) -> EngineConfig:
        """This configuration, if it can be built; else UsageError with every reason at once."""
        reasons = self._reasons()
        if reasons:
            raise UsageError(
                CONFIG,
                "The engine cannot be built as configured.",
                " ".join(reasons),
                "Change these settings, or take EngineConfig.sized('small').",
            )
        return self

    def _reasons(self) -> list[str]:
        counted = ("embed_dim", "num_heads", "num_layers", "ffn_dim", "value_factor", "max_seq_len", "chunk")
        reasons = [
            f"{name} must be a whole number of at least 1." for name in counted if not self._count(name)
        ]
        if not self._count("num_experts", 0):
            reasons.append("num_experts must be a whole number, 0 for a dense feed-forward block.")
        elif self.num_experts == 1:
            reasons.append("num_experts = 1 is no mixture: take 0 for a dense block, or at least 2.")
        elif self.num_experts:
            if not self._count("top_k"):
                reasons.append("top_k must be a whole number of at least 1.")
            elif self.top_k > self.num_experts:
                reasons.append(f"top_k = {self.top_k} is more than the {self.num_experts} experts there are.")
        if self._count("embed_dim") and self._count("num_heads"):
            if self.embed_dim % self.num_heads:
                reasons.append(
                    f"embed_dim = {self.embed_dim} is not divisible by num_heads = {self.num_heads}."
                )
            elif self.key_dim % 2:
                reasons.append("embed_dim / num_heads must be even: keys are rotated in pairs of dimensions.")
        if not _number(self.dropout) or not 0 <= self.dropout < 1:
            reasons.append("dropout must be at least 0 and below 1.")
        reasons += self._decay_reasons()
        if not _number(self.rotary_base) or self.rotary_base <= 1:
            reasons.append("rotary_base must be above 1.")
        if not all(_number(eps) and eps > 0 for eps in (self.norm_eps, self.head_eps)):
            reasons.append("norm_eps and head_eps must be above 0.")
        if not all(_number(weight) and weight >= 0 for weight in (self.balance_weight, self.z_weight)):
            reasons.append("balance_weight and z_weight must be at least 0.")
        return reasons

    def _decay_reasons(self) -> list[str]:
        if not isinstance(self.decay, tuple) or len(self.decay) != 2 or not all(map(_number, self.decay)):
            return ["decay must be two numbers: of the head that forgets fastest, and of the slowest."]
        low, high = self.decay
        if high >= 1:
            return [
                "decay (gamma) must be below 1: a head that keeps all never forgets, and its state grows."
            ]
        if not 0 < low <= high:
            return ["decay must be above 0, the smaller number first."]
        return ["learn_decay needs a range: the two numbers of decay differ."] * (
            self.learn_decay and low == high
        )

    def _count(self, name: str, least: int = 1) -> bool:
        value = getattr(self, name)
        return isinstance(value, int) and not isinstance(value, bool) and value >= least

    def parameters(self) -> int:
        """How many weights the backbone has; embeddings and heads around it are their owner's."""
        d, v, f = self.embed_dim, self.inner_dim, self.ffn_dim
        retention = d * (2 * d + 2 * v) + v * d + (self.num_heads if self.learn_decay else 0)
        feed_forward = max(self.num_experts, 1) * 3 * d * f + self.num_experts * d
        return self.num_layers * (retention + feed_forward + 2 * d) + d

    def state_bytes(self) -> int:
        """What one sequence's state takes, in bytes, without its header."""
        return 4 * self.num_layers * self.num_heads * self.key_dim * self.value_dim + 8

    def memory(self, batch: int, length: int, training: bool = True, precision: str = "fp32") -> int:
        """Bytes the backbone needs for ``batch`` sequences of ``length``; see ``memory.py``."""
        from forge_models.engine.memory import estimate

        return estimate(self, batch, length, training, precision)

    def require_memory(
        self,
        batch: int,
        length: int,
        training: bool = True,
        precision: str = "fp32",
        device: str = "cpu",
        available: int | None = None,
    ) -> int:
        """The estimate in bytes, or Refused (FORGE-ENGINE-MEMORY) where it exceeds what is free on ``device``."""
        from forge_models.engine.memory import require

        return require(self, batch, length, training, precision, device, available)


SIZES: dict[str, dict[str, Any]] = {
    "small": {"embed_dim": 64, "num_heads": 2, "num_layers": 2, "ffn_dim": 128},
    "base": {"embed_dim": 512, "num_heads": 4, "num_layers": 8, "ffn_dim": 704},
    "large": {"embed_dim": 1536, "num_heads": 12, "num_layers": 24, "ffn_dim": 2048},
}


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value
