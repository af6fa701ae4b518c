"""Lightning, wrapped once: device, precision and strategy of a plan, as a Fabric around the model.

Fabric and not the Trainer. The loop is ours: it stops before an update that is not finite, resumes at any step, halves
its batch. And it costs little: on a tiny model Fabric takes some 35 µs a step over a bare loop; the Trainer, with all
of its extras off, takes 290.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import Any

import torch

from forge_models.trainer.crew import Crew
from forge_models.trainer.plan import Plan

PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


class Held:
    """A batch as Lightning does not see it: it would cast every float of it, and a time in bfloat16 has 3 digits."""

    def __init__(self, batch: Any) -> None:
        self.batch = batch


class Step(torch.nn.Module):
    """The model's loss as a forward pass, which is what strategies hook into."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, held: Held) -> tuple[torch.Tensor, Mapping[str, torch.Tensor]]:
        return self.model.loss(held.batch)  # type: ignore[operator]


def make_fabric(plan: Plan, crew: Crew) -> Any:
    """The Fabric of a plan, launched; nothing is printed or logged by it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from lightning.fabric import Fabric

        for name in ("lightning", "lightning.fabric", "lightning.fabric.utilities.rank_zero"):
            logging.getLogger(name).setLevel(logging.ERROR)
        devices = [int(plan.device.partition(":")[2] or 0)] if plan.cuda and crew.size == 1 else crew.size
        fabric = Fabric(
            accelerator="cuda" if plan.cuda else "cpu",
            devices=devices,
            strategy=_strategy(plan, crew),
            precision=PRECISIONS[plan.precision],  # type: ignore[arg-type]
        )
        fabric.launch()
    return fabric


def _strategy(plan: Plan, crew: Crew) -> Any:
    if crew.size == 1:
        return "auto"
    from lightning.fabric.plugins.environments import LightningEnvironment
    from lightning.fabric.strategies import DDPStrategy, ModelParallelStrategy

    class Gathered(LightningEnvironment):
        """The processes are there already, and their group is made."""

        creates_processes_externally = True

        def local_rank(self) -> int:
            return crew.rank

        def teardown(self) -> None:
            """The group ends with the crew."""

    if plan.strategy == "ddp":
        return DDPStrategy(cluster_environment=Gathered(), gradient_as_bucket_view=True)
    strategy = ModelParallelStrategy(_shard, data_parallel_size=crew.size, tensor_parallel_size=1)
    strategy.cluster_environment = Gathered()
    return strategy


def _shard(step: torch.nn.Module, mesh: Any) -> torch.nn.Module:
    """Fully sharded data parallel (Zhao et al. 2023, PyTorch's second form): layer by layer, then what is left."""
    from torch.distributed.fsdp import fully_shard

    data = mesh["data_parallel"]
    for part in step.modules():
        if isinstance(part, torch.nn.ModuleList):
            for layer in part:
                fully_shard(layer, mesh=data)
    fully_shard(step, mesh=data)
    return step


def full_states(step: Step, optimizer: torch.optim.Optimizer) -> tuple[dict[str, Any], dict[str, Any]]:
    """Whole states of a sharded model and its optimizer, on the leader's CPU; every process must ask."""
    from torch.distributed.checkpoint import state_dict as states

    options = states.StateDictOptions(full_state_dict=True, cpu_offload=True)
    model = states.get_model_state_dict(step.model, options=options)
    if not optimizer.state:  # torch would make one by taking a step, and count it
        return model, {}
    return model, states.get_optimizer_state_dict(step.model, optimizer, options=options)


def load_full_states(
    step: Step, optimizer: torch.optim.Optimizer, model: dict[str, Any], optimizer_state: dict[str, Any]
) -> None:
    """The way back: every process gives the whole state and keeps its shard."""
    from torch.distributed.checkpoint import state_dict as states

    options = states.StateDictOptions(full_state_dict=True)
    states.set_model_state_dict(step.model, model, options=options)
    if optimizer_state:
        states.set_optimizer_state_dict(step.model, optimizer, optimizer_state, options=options)
