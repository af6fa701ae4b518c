"""What an engine will need in memory, and what is there: refused before it is tried, never by the kernel's killer.

The estimate counts weights, gradients, Adam's two moments and the activations that the chunkwise form keeps for the
backward pass; a test holds the latter to what torch saves. Embeddings, heads and the data are not part of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from forge_core.errors import Refused, UsageError

if TYPE_CHECKING:
    from forge_models.engine.config import EngineConfig

SPARE = 0.9  # of what is free: the rest is for the process itself
LIMIT, USED = "memory.max", "memory.current"
CGROUP = Path("/sys/fs/cgroup")


def estimate(config: EngineConfig, batch: int, length: int, training: bool, precision: str) -> int:
    """Bytes for ``batch`` sequences of ``length`` tokens. ``precision``: fp32, bf16 or fp16 (autocast)."""
    from forge_models.engine.config import PRECISIONS

    if precision not in PRECISIONS:
        raise UsageError(
            "FORGE-ENGINE-PRECISION",
            "The engine has no such precision.",
            fix=f"Choose one of: {', '.join(PRECISIONS)}.",
        )
    weights = config.parameters()
    half = 0 if precision == "fp32" else 2 * weights  # autocast keeps a copy of the weights
    tokens, states = batch * length, batch * config.state_bytes()
    layer = tokens * _per_token(config, precision)
    if not training:
        return 4 * weights + half + 2 * states + layer
    kept = tokens * 4 * config.embed_dim if config.gradient_checkpointing else layer
    once = layer if config.gradient_checkpointing else 0
    return 16 * weights + half + 2 * states + config.num_layers * kept + once + layer


def _per_token(config: EngineConfig, precision: str) -> int:
    """Bytes that one layer keeps of one token for its gradient."""
    d, v, f = config.embed_dim, config.inner_dim, config.ffn_dim
    wide = 4 if precision == "fp32" else 2
    routed = config.top_k if config.num_experts else 1
    # One state is kept per chunk: its share of a token.
    state = config.num_heads * config.key_dim * config.value_dim / config.chunk
    single = (
        3 * d + 4 * d + 2 * v + state + config.num_experts
    )  # residuals, norms, rotation, outputs: float32
    mixed = 2 * d + 5 * v + config.num_heads * config.chunk + routed * (4 * f + 2 * d)
    dropped = 2 * d if config.dropout else 0
    return int(4 * single + wide * mixed + dropped)


def require(
    config: EngineConfig,
    batch: int,
    length: int,
    training: bool,
    precision: str,
    device: str,
    available: int | None,
) -> int:
    """See ``EngineConfig.require_memory``."""
    needed = estimate(config, batch, length, training, precision)
    free = free_memory(device) if available is None else available
    if needed > SPARE * free:
        doing = "Training" if training else "Running"
        raise Refused(
            "FORGE-ENGINE-MEMORY",
            f"{doing} this engine needs some {size(needed)} of memory, and {size(free)} are free on {device}.",
            f"It has {config.parameters():,} parameters; {batch} sequences of {length} at a time.",
            "Take a smaller size (EngineConfig.sized('small')), fewer or shorter sequences at a time, "
            "or gradient_checkpointing.",
        )
    return needed


def free_memory(device: str = "cpu") -> int:
    """Bytes free on ``device``: of the GPU, or of the machine within what a container allows."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.mem_get_info(torch.device(device))[0])
    import psutil

    free = int(psutil.virtual_memory().available)
    try:
        allowed = (CGROUP / LIMIT).read_text().strip()
        used = int((CGROUP / USED).read_text())
    except (OSError, ValueError):  # no container, or one of the first version
        return free
    return free if allowed == "max" else min(free, max(int(allowed) - used, 0))


def size(count: int) -> str:
    """Bytes for people."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
