"""What training says while it runs: lines of progress, rows of its history, metrics for the tracker."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forge_models.family import TrainingRun
    from forge_models.trainer.config import TrainerConfig
    from forge_models.trainer.outcome import Row

ROWS = 200  # of a history: what a picture can show
FIRST_LINE, LINE, LATER_LINE = 2.0, 5.0, 30.0  # seconds between lines: in the first minute, and after it


class Report:
    """Gathers the figures of steps into rows, and says how far training is."""

    def __init__(
        self,
        run: TrainingRun,
        config: TrainerConfig,
        history: Sequence[Row] = (),
        seconds: float = 0.0,
        step: int = 0,
    ) -> None:
        """``history``, ``seconds`` and ``step``: of the checkpoint that training goes on from."""
        self.history: list[Row] = list(history)
        self._run, self._max_steps = run, config.max_steps
        self._every = max(1, config.max_steps // ROWS)
        self._began = time.monotonic()
        self._earlier, self._first = seconds, step
        self._sums: dict[str, float] = {}
        self._steps = self._examples = 0
        self._row_began = self._began
        self._next_line = self._began + FIRST_LINE

    @property
    def seconds(self) -> float:
        """Of training, earlier attempts included."""
        return self._earlier + time.monotonic() - self._began

    def step(self, step: int, examples: int, figures: Mapping[str, float]) -> bool:
        """Take in one step; True where a row is due."""
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._steps += 1
        self._examples += examples
        if time.monotonic() >= self._next_line:
            self._line(step, figures["loss"])
        return step % self._every == 0 or step == self._max_steps

    def row(self, step: int, learning_rate: float, memory_mb: float, score: float | None) -> None:
        """Close the row at ``step``: the means since the row before it."""
        if not self._steps and score is None:
            return
        now = time.monotonic()
        row: dict[str, float] = {"step": step}
        if self._steps:
            row |= {name: total / self._steps for name, total in self._sums.items()}
            row["learning_rate"] = learning_rate
            row["examples_per_s"] = self._examples / max(now - self._row_began, 1e-9)
            row["memory_mb"] = memory_mb
        if score is not None:
            row["score"] = score
        if self.history and self.history[-1]["step"] == step:  # closed by the step, scored after it
            row = {**self.history.pop(), **row}
            told = {"score": row["score"]} if score is not None else {}
        else:
            told = {name: value for name, value in row.items() if name != "step"}
        self.history.append(row)
        for name, value in told.items():
            self._run.log_metric(name, value, step)
        self._sums, self._steps, self._examples = {}, 0, 0
        self._row_began = now

    def pause(self, seconds: float) -> None:
        """So much of the time since the last row went into an evaluation, and not into steps."""
        self._row_began += seconds

    def _line(self, step: int, loss: float) -> None:
        now = time.monotonic()
        rate = (step - self._first) / max(now - self._began, 1e-9)
        left = (self._max_steps - step) / rate if rate else 0.0
        budget = self._run.time_budget_s - self.seconds
        end = f"{_duration(left)} left" if left <= budget else f"{_duration(budget)} of its time left"
        self._run.progress(
            f"trained {step:,} of {self._max_steps:,} steps, loss {loss:.4f}, {rate:,.1f} steps/s, {end}"
        )
        self._next_line = now + (LINE if now - self._began < 60 else LATER_LINE)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def memory_mb(cuda: bool) -> float:
    """The largest part of the device's memory that tensors took so far, or what this process holds of the CPU's."""
    if cuda:
        import torch

        return torch.cuda.max_memory_allocated() / 1e6
    import psutil

    return psutil.Process().memory_info().rss / 1e6
