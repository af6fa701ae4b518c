"""Low-rank adaptation (Hu et al. 2022) of a trained backbone, by peft: small matrices learn, the rest stands still."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from forge_core.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

Module = TypeVar("Module", bound="nn.Module")
RANK, ALPHA = 16, 32
TARGETS = ("project", "out", "expand", "contract")  # of retention and the dense feed-forward block


def adapt(module: Module, rank: int = RANK, alpha: int = ALPHA, dropout: float = 0.0) -> Module:
    """``module`` (a backbone, or what holds one) with adapters in place; only they have gradients from now on.

    They begin as zero: outputs are the same until a step is made. Experts' matrices and the router get none.
    """
    from peft import LoraConfig, inject_adapter_in_model

    if rank < 1 or alpha <= 0 or not 0 <= dropout < 1:
        raise UsageError(
            "FORGE-ENGINE-LORA",
            "An adapter needs a rank of at least 1, an alpha above 0 and a dropout below 1.",
        )
    if adapted(module):
        raise UsageError("FORGE-ENGINE-LORA", "This network has adapters already.", fix="Merge them first.")
    places = [
        name for name, _ in module.named_modules() if name.split(".")[-1] in TARGETS and "layers." in name
    ]
    settings = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=places, bias="none")
    return inject_adapter_in_model(settings, module)  # type: ignore[return-value]


def adapted(module: nn.Module) -> bool:
    """Whether adapters are in place."""
    return any("lora_" in name for name, _ in module.named_parameters())


def merge(module: Module) -> Module:
    """Adapters added into the weights they adapt, and gone; all weights have gradients again."""
    from peft.tuners.lora import LoraLayer

    for name, child in list(module.named_modules()):
        if isinstance(child, LoraLayer):
            child.merge(safe_merge=True)
            parent, _, last = name.rpartition(".")
            setattr(module.get_submodule(parent), last, child.get_base_layer())
    return module.requires_grad_(True)
