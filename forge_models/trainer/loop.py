"""The training loop of one process: steps, evaluations, checkpoints, and the reasons to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from forge_models.trainer import optimising
from forge_models.trainer.best import Best
from forge_models.trainer.checkpoints import Checkpoints
from forge_models.trainer.config import TrainerConfig, learning_rate
from forge_models.trainer.crew import Crew
from forge_models.trainer.fabric import Held, Step, full_states, load_full_states, make_fabric
from forge_models.trainer.failures import HalfOverflow
from forge_models.trainer.ordering import Order, step_seed
from forge_models.trainer.plan import Plan
from forge_models.trainer.reporting import Report, memory_mb

if TYPE_CHECKING:
    from forge_models.family import TrainingRun
    from forge_models.trainer.outcome import Batches, Stopped

SMALLEST_SCALE = 1.0  # of a float16 loss: below it, gradients overflow by themselves
CHECKPOINT_SHARE = 20  # writing checkpoints takes a twentieth of the time at most, however large they are
SIGNALS: tuple[Stopped | None, ...] = (None, "cancelled", "budget", "patience")


@dataclass(frozen=True)
class Job:
    """What one process is to train."""

    module: torch.nn.Module
    batches: Batches
    config: TrainerConfig
    plan: Plan
    run: TrainingRun
    checkpoints: Checkpoints
    scored: bool  # the leader evaluates, the others wait for it


class Loop:
    """Trains ``job.module`` from the newest checkpoint on; afterwards ``best.weights`` are the best there were."""

    def __init__(
        self,
        crew: Crew,
        job: Job,
        score: Callable[[torch.nn.Module], float] | None = None,
        scored_on: torch.nn.Module | None = None,
    ) -> None:
        """``scored_on``: a whole module of the leader's for evaluations, where ``job.module`` is sharded."""
        self.crew, self.job = crew, job
        self.config, self.plan, self.run = job.config, job.plan, job.run
        self._score, self._scored_on = score, scored_on or job.module
        self._sharded = self.plan.strategy == "fsdp"
        self._sole = crew.size == 1 and self.plan.parts() == 1
        self.fabric = make_fabric(self.plan, crew)
        self._device = str(self.fabric.device)
        self._precision = self.fabric.strategy.precision
        self._scaler = getattr(self._precision, "scaler", None)
        self._step = Step(job.module)
        self._wrapped = self.fabric.setup_module(self._step)
        self._adam = optimising.make_optimizer(job.module, self.config)
        self._optimizer = self.fabric.setup_optimizers(self._adam)
        self._order = Order(len(job.batches), self.plan.effective, self.run.seed)
        self._evaluate_every = self.config.evaluate_every or max(1, len(job.batches) // self.plan.effective)
        self._stopped: Stopped | None = None
        self._any_score = False
        self.step, self.best, self.report = (
            0,
            Best(self.config.higher_is_better),
            Report(self.run, self.config),
        )
        state = job.checkpoints.newest()
        if state is not None:
            self._restore(state)
        self._saved_at, self._save_cost = time.monotonic(), 0.0
        if state is None:
            self._save()  # what goes wrong in the first steps is begun again from here

    def train(self) -> Stopped:
        """Steps until there is a reason to stop; the last state is checkpointed, the best is at hand."""
        if self._stopped:
            if self.best.weights is None:
                self.best.keep(self.step, None, self._states()[0])
            return self._stopped
        self._wrapped.train()
        stopped: Stopped | None = None
        while stopped is None and self.step < self.config.max_steps:
            stopped = self._one_step()
            if stopped is None and self._is_evaluation():
                stopped = self._evaluate()
        stopped = stopped or "done"
        if stopped == "budget" and self.job.scored and not self._any_score:
            self._evaluate()  # how good the only weights are is worth the time
        self._row()
        # one that was cancelled, or stopped by a gradient, goes on when it is asked for again
        self._save(stopped, finished=stopped not in ("cancelled", "nan"))
        return stopped

    # --- one step ---------------------------------------------------------------------------------

    def _one_step(self) -> Stopped | None:
        """Forward, backward and update; "nan" comes before an update that would spoil the weights."""
        for group in self._adam.param_groups:
            group["lr"] = learning_rate(self.config, self.step)
        seed = step_seed(self.run.seed, self.step, self.crew.rank)
        # torch.manual_seed would note a stack trace for a CUDA that is not in use
        torch.default_generator.manual_seed(seed)
        if self.plan.cuda:
            torch.cuda.manual_seed(seed)
        share = self._order.indices(self.step)[self.crew.rank :: self.crew.size]
        weight, sums = self._passes(share)
        asked = self._asked() if self.crew.leads else 0
        weight, told, *totals = self.crew.sum([weight, asked, *sums.values()], self._device)
        figures = {name: total / weight for name, total in zip(sums, totals, strict=True)}
        if not self._update(figures["loss"], 1.0 if self._sole else self.plan.effective / weight):
            self.run.progress(f"stopped at step {self.step:,}: the loss or its gradient is out of all bounds")
            return "nan"
        self.step += 1
        if self.report.step(self.step, self.plan.effective, figures):
            self._row()
        signal, save = divmod(round(told), 2)
        if save:
            self._save()
        return SIGNALS[signal]

    def _passes(self, share: np.ndarray) -> tuple[float, dict[str, float]]:
        """Forward and backward over this process's examples; the sum of weights, and weighted sums of figures."""
        total, sums = 0.0, dict[str, float]()
        parts = np.array_split(share, self.plan.parts())
        for part in parts:
            batch = self.job.batches.batch(part)
            if self.plan.cuda:
                batch = self.fabric.to_device(batch)
            more = self.crew.size > 1 and part is not parts[-1]
            with self.fabric.no_backward_sync(self._wrapped) if more else nullcontext():
                loss, figures = self._wrapped(Held(batch))
                weight = float(figures["weight"]) if "weight" in figures else float(len(part))
                # what is summed here is divided by the weight of the whole step when that is known
                self.fabric.backward(loss if self._sole else loss * (weight / len(share)))
            total += weight
            for name, value in {**figures, "loss": loss.detach()}.items():
                if name != "weight":
                    sums[name] = sums.get(name, 0.0) + float(value.detach()) * weight
        return total, sums

    def _update(self, loss: float, share: float) -> bool:
        """Apply the gradients, clipped; False where the loss or they are not finite, or have exploded."""
        self._precision.unscale_gradients(self._adam)
        grads = optimising.gradients(self.job.module)
        norm = optimising.norm(grads)
        if self._scaler is not None:
            if not math.isfinite(loss) or self._scaler.get_scale() < SMALLEST_SCALE:
                raise HalfOverflow
        elif not (math.isfinite(loss) and norm * share <= self.config.largest_gradient):
            self._optimizer.zero_grad(set_to_none=True)
            return False
        optimising.scale(grads, optimising.clip_factor(norm, share, self.config.clip))
        self._optimizer.step()  # with float16, a step whose gradient overflowed is passed over by the scaler
        self._optimizer.zero_grad(set_to_none=True)
        return True

    def _asked(self) -> int:
        """What the leader has to say after this step: twice the place in SIGNALS, plus one for a checkpoint."""
        if self.run.cancelled():
            return 2 * SIGNALS.index("cancelled")
        if self.report.seconds >= self.run.time_budget_s:
            return 2 * SIGNALS.index("budget")
        every, since = self.config.checkpoint_every, time.monotonic() - self._saved_at
        by_time = since > max(self.config.checkpoint_seconds, CHECKPOINT_SHARE * self._save_cost)
        return int(by_time or bool(every and (self.step + 1) % every == 0))

    def _row(self, score: float | None = None) -> None:
        rate = learning_rate(self.config, max(0, self.step - 1))
        self.report.row(self.step, rate, memory_mb(self.plan.cuda), score)

    # --- evaluation -------------------------------------------------------------------------------

    def _is_evaluation(self) -> bool:
        last = self.step == self.config.max_steps
        return self.job.scored and (last or self.step % self._evaluate_every == 0)

    def _evaluate(self) -> Stopped | None:
        """The leader scores and keeps the best weights; "patience" or "budget" where it is time to stop."""
        state = self._states()[0] if self._sharded else self.job.module.state_dict()
        verdict: Stopped | None = None
        if self.crew.leads:
            began = time.monotonic()
            if self._sharded:
                self._scored_on.load_state_dict(state)
            score = self._take_score()
            if self.best.takes(score):
                self.best.keep(self.step, score, state)
            self.report.pause(time.monotonic() - began)
            self._row(score)
            if self.config.patience and self.best.stale >= self.config.patience:
                verdict = "patience"
            elif self.report.seconds >= self.run.time_budget_s:
                verdict = "budget"
        self._any_score = True
        (told,) = self.crew.sum([SIGNALS.index(verdict)], self._device)
        return SIGNALS[round(told)]

    def _take_score(self) -> float:
        assert self._score is not None
        self._scored_on.eval()
        with torch.no_grad():
            score = float(self._score(self._scored_on))
        self._scored_on.train()
        return score

    # --- state ------------------------------------------------------------------------------------

    def _states(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Of the model and its optimizer; of a sharded one whole on the leader, and every process must ask."""
        if self._sharded:
            return full_states(self._step, self._adam)
        return self.job.module.state_dict(), self._adam.state_dict()

    def _save(self, stopped: Stopped | None = None, finished: bool = False) -> None:
        began = time.monotonic()
        model, optimizer = self._states()
        if self.crew.leads:
            state = {
                "model": model,
                "optimizer": optimizer,
                "scaler": self._scaler.state_dict() if self._scaler else None,
                "best": self.best.as_state(self.step),
                "history": [dict(row) for row in self.report.history],
                "seconds": self.report.seconds,
                "batch_size": self.plan.batch_size,
                "stopped": stopped if finished else None,
            }
            self.job.checkpoints.save(self.step, state)
            if stopped and self.best.weights is None:
                self.best.keep(self.step, None, model)
        self._saved_at = time.monotonic()
        self._save_cost = self._saved_at - began

    def _restore(self, state: Mapping[str, Any]) -> None:
        """Go on where a checkpoint ends."""
        if self._sharded:
            load_full_states(self._step, self._adam, state["model"], state["optimizer"])
        else:
            self.job.module.load_state_dict(state["model"])
            self._adam.load_state_dict(state["optimizer"])
        if self._scaler and state["scaler"]:
            self._scaler.load_state_dict(state["scaler"])
        self.step, self._stopped = state["step"], state["stopped"]
        self.best = Best.from_state(self.config.higher_is_better, state["best"], state["model"])
        self._any_score = self.best.score is not None
        self.report = Report(self.run, self.config, state["history"], state["seconds"], self.step)
        if self._stopped == "budget" and self.run.time_budget_s > self.report.seconds:
            self._stopped = None  # there is more time than there was
        if self.step and self.crew.leads:
            self.run.progress(f"resumed at step {self.step:,} of {self.config.max_steps:,}")
