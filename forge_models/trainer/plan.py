"""What a configuration becomes on this machine: device, precision, processes and the size of a batch, each with why."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from forge_core.errors import ForgeError, UsageError
from forge_models.trainer.config import Strategy, TrainerConfig

if TYPE_CHECKING:
    from forge_models.family import TrainingRun

PRECISIONS = ("32", "bf16", "fp16")


@dataclass(frozen=True)
class Plan:
    """How one attempt at training runs. What goes wrong leads to another plan and another attempt."""

    device: str  # cpu, cuda:0
    precision: str  # 32, bf16, fp16
    strategy: Strategy
    processes: int
    effective: int  # examples of one step, over all processes
    batch_size: int  # examples of one forward pass, over all processes

    @property
    def cuda(self) -> bool:
        return self.device.startswith("cuda")

    def parts(self) -> int:
        """Forward passes of one step, on each process."""
        share, at_a_time = self.effective // self.processes, max(1, self.batch_size // self.processes)
        return -(-share // at_a_time)

    def halved(self) -> Plan:
        """Half the examples at a time, twice as often: the step stays what it was."""
        if self.batch_size <= self.processes:
            raise ForgeError(
                "FORGE-TRAINER-MEMORY",
                "The memory does not hold the training of one example.",
                f"Device {self.device}, precision {self.precision}.",
                "Choose a smaller model or shorter sequences.",
            )
        return replace(self, batch_size=max(self.processes, (self.batch_size + 1) // 2))

    def on_cpu(self) -> Plan:
        return replace(self, device="cpu", precision="32")

    def wider(self) -> Plan:
        """Without float16, whose range was too small."""
        return replace(self, precision="bf16" if _cuda_bf16(self.device) else "32")


def make_plan(config: TrainerConfig, run: TrainingRun, examples: int) -> tuple[Plan, list[str]]:
    """The first plan, and what could not be as it was asked for."""
    if examples < 1:
        raise UsageError(
            "FORGE-TRAINER-EMPTY", "There is nothing to train on.", "The batches have no example."
        )
    notes: list[str] = []
    device = _device(run.device if config.device == "auto" else config.device, notes)
    precision = _precision(run.precision if config.precision == "auto" else config.precision, device, notes)
    strategy: Strategy = run.strategy if config.strategy == "auto" else config.strategy
    processes = 1 if strategy in ("none", "auto") else (config.processes or run.processes)
    if processes == 1:
        strategy = "none"
    if device.startswith("cuda") and processes > 1:
        device, processes = _devices(device, processes, notes)
        strategy = strategy if processes > 1 else "none"
    effective = min(config.batch_size * config.accumulate, examples)
    if effective < processes:
        notes.append(f"{processes} processes have no example each: training on one")
        strategy, processes = "none", 1
    effective -= effective % processes
    batch_size = max(processes, min(config.batch_size, effective))
    return Plan(device, precision, strategy, processes, effective, batch_size), notes


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _device(wanted: str, notes: list[str]) -> str:
    if wanted == "cpu":
        return "cpu"
    import torch

    if not torch.cuda.is_available():
        if wanted != "auto":
            notes.append(f"{wanted} was asked for and there is no such device: training on the CPU")
        return "cpu"
    number = int(wanted.partition(":")[2] or 0)
    if number >= torch.cuda.device_count():
        notes.append(f"{wanted} was asked for and there is no such device: training on cuda:0")
        number = 0
    return f"cuda:{number}"


def _devices(device: str, processes: int, notes: list[str]) -> tuple[str, int]:
    """Several processes have a device each, from the first on."""
    import torch

    there = torch.cuda.device_count()
    if there < processes:
        notes.append(
            f"{processes} processes were asked for and there are {there} CUDA devices: training on {there}"
        )
    return ("cuda:0" if there > 1 else device), min(processes, there)


def _precision(wanted: str, device: str, notes: list[str]) -> str:
    if wanted not in PRECISIONS:  # auto, or the float64 of a closed form
        return "32" if device == "cpu" else "bf16" if _cuda_bf16(device) else "fp16"
    if wanted == "fp16" and device == "cpu":
        notes.append("float16 has no training on a CPU: bfloat16 instead")
        return "bf16"
    if wanted == "bf16" and device != "cpu" and not _cuda_bf16(device):
        notes.append("this device has no bfloat16: float32 instead")
        return "32"
    return wanted


def _cuda_bf16(device: str) -> bool:
    if device == "cpu":
        return False
    import torch

    return torch.cuda.get_device_capability(device) >= (8, 0)  # below, bfloat16 is emulated and slow
