"""Training of any torch model: attempts from the newest checkpoint on, until one comes to its end."""

from __future__ import annotations

import contextlib
import copy
import gc
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from forge_models.trainer.config import TrainerConfig
from forge_models.trainer.failures import DeviceLost, HalfOverflow, MemoryShort, survivable
from forge_models.trainer.outcome import Batches, Outcome
from forge_models.trainer.plan import Plan, make_plan

if TYPE_CHECKING:
    import torch

    from forge_models.family import TrainingRun
    from forge_models.trainer.crew import Crew
    from forge_models.trainer.loop import Loop


def train(
    module: torch.nn.Module,
    batches: Batches,
    config: TrainerConfig,
    run: TrainingRun,
    score: Callable[[torch.nn.Module], float] | None = None,
) -> Outcome:
    """Train ``module`` and leave the best weights in it, on the CPU and in evaluation mode.

    ``module`` has ``loss(batch)`` (see ``outcome.Trainable``). ``score`` is called with the module in evaluation
    mode, on the device where it trains; without it the last weights are the best. ``run.folder`` holds the
    checkpoints: the same call with the same folder goes on where the last one ended, and one that came to its end
    answers at once. On a CPU the result is a function of the seed, the data, the configuration, the number of
    threads and the processor's instructions.

    Too little memory halves the batch, a lost device gives way to the CPU, a float16 that overflows to a wider
    format; each goes on from the last checkpoint and is said in ``run.progress`` and in the outcome's notes.

    Raises ``UsageError`` FORGE-TRAINER-EMPTY without examples, ``ForgeError`` FORGE-TRAINER-MEMORY where not even one
    example fits, FORGE-TRAINER-PROCESS where one of several processes fails. Errors of the module pass through.
    """
    import torch

    from forge_models.trainer.checkpoints import Checkpoints, identity

    module.to("cpu")
    plan, notes = make_plan(config, run, len(batches))
    for note in notes:
        run.progress(note)
    checkpoints = Checkpoints(
        run.folder, identity(module, config, plan, len(batches), run.seed), run.progress
    )
    state = checkpoints.newest()
    if state is not None:  # it fitted no more than this
        plan = replace(plan, batch_size=min(plan.batch_size, int(state["batch_size"])))
    del state
    with torch.random.fork_rng(devices=()), _repeatable(plan):
        while True:
            try:
                return _attempt(module, batches, config, plan, run, score, checkpoints, notes)
            except Exception as error:
                kind = survivable(error, plan.cuda)
                if kind is None:
                    raise
            # outside of the handler: the error holds on to the tensors of the failed step
            plan, note = _after(kind, plan)
            notes.append(note)
            run.progress(note)
            gc.collect()
            if plan.cuda:
                torch.cuda.empty_cache()


def _after(kind: type[Exception], plan: Plan) -> tuple[Plan, str]:
    """The next plan, and the sentence about it."""
    if kind is MemoryShort:
        less = plan.halved()
        return less, f"out of memory: {less.batch_size} examples at a time instead of {plan.batch_size}"
    if kind is DeviceLost:
        return plan.on_cpu(), f"{plan.device} was lost: going on on the CPU from the last checkpoint"
    assert kind is HalfOverflow
    wider = plan.wider()
    return wider, f"float16 overflowed: going on with {wider.precision} from the last checkpoint"


def _attempt(
    module: torch.nn.Module,
    batches: Batches,
    config: TrainerConfig,
    plan: Plan,
    run: TrainingRun,
    score: Callable[[torch.nn.Module], float] | None,
    checkpoints: Any,
    notes: list[str],
) -> Outcome:
    from forge_models.trainer.crew import gathered
    from forge_models.trainer.loop import Job, Loop

    # a device that is lost takes its tensors along, and sharding changes a module for good
    working = module if plan.device == "cpu" and plan.processes == 1 else copy.deepcopy(module)
    others = Others(
        working, batches, config, plan, run.folder, run.seed, checkpoints.identity, score is not None
    )
    with gathered(plan, _follow, others) as crew:
        job = Job(working, batches, config, plan, run, checkpoints, score is not None)
        loop = Loop(crew, job, score, module if plan.strategy == "fsdp" else None)
        stopped = loop.train()
        return _outcome(module, loop, stopped, notes)


def _outcome(module: torch.nn.Module, loop: Loop, stopped: Any, notes: list[str]) -> Outcome:
    best, plan = loop.best, loop.plan
    assert best.weights is not None
    module.load_state_dict(best.weights)
    module.eval()
    history: list[Mapping[str, float]] = loop.report.history
    return Outcome(
        stopped, loop.step, best.step, best.score, tuple(history), plan.batch_size, plan.precision,
        plan.device, loop.report.seconds, tuple(notes),
    )  # fmt: skip


@dataclass(frozen=True)
class Others:
    """What the processes beside the leader need to know; it travels by pickle."""

    module: torch.nn.Module
    batches: Batches
    config: TrainerConfig
    plan: Plan
    folder: Path
    seed: int
    identity: str
    scored: bool


def _follow(crew: Crew, others: Others) -> None:
    """The work of a process beside the leader: the same loop, without a word."""
    from forge_models.family import TrainingRun
    from forge_models.trainer.checkpoints import Checkpoints
    from forge_models.trainer.loop import Job, Loop

    run = TrainingRun(others.folder, seed=others.seed)
    checkpoints = Checkpoints(others.folder, others.identity, run.progress)
    module = copy.deepcopy(others.module)  # torch sends tensors in shared memory: the leader's very weights
    job = Job(module, others.batches, others.config, others.plan, run, checkpoints, others.scored)
    with _repeatable(others.plan):
        Loop(crew, job).train()


@contextlib.contextmanager
def _repeatable(plan: Plan) -> Iterator[None]:
    """On a CPU the same sums in the same order: the gradient of an indexing is otherwise added up by chance."""
    import torch

    settings: Any = torch.utils.deterministic
    before, filling = torch.are_deterministic_algorithms_enabled(), settings.fill_uninitialized_memory
    if not plan.cuda:
        torch.use_deterministic_algorithms(True, warn_only=True)
        settings.fill_uninitialized_memory = False  # it would write every new tensor twice
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
        settings.fill_uninitialized_memory = filling
