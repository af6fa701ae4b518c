"""How a command shows that it is at work: a live bar on a terminal, plain lines elsewhere; on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from forge_cli.output import say

if TYPE_CHECKING:
    from forge_cli.client import Event


TRAINING = (": trained ", ": resumed ", ": out of memory")  # lines of training that a plain log shows too


def terminal() -> bool:
    return sys.stderr.isatty()


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


class RunProgress:
    """Follows one run: ``with RunProgress("build") as p: client.follow(run, p.event, p.total)``."""

    def __init__(self, title: str, live: bool | None = None) -> None:
        self.title = title
        self.live = terminal() if live is None else live
        self.done, self.steps = 0, 0
        self._started: dict[str, float] = {}
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> RunProgress:
        if self.live:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
            from rich.progress import TimeElapsedColumn as Elapsed
            from rich.progress import TimeRemainingColumn as Remaining

            columns: Iterable[Any] = (
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                Elapsed(),
                TextColumn("left"),
                Remaining(),
            )
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._bar.start()
            self._task = self._bar.add_task(f"{self.title}: waiting for the first step", total=None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def total(self, steps: int) -> None:
        self.steps = steps
        if self._bar is not None:
            self._bar.update(self._task, total=steps)

    def event(self, event: Event) -> None:
        step = event.step or ""
        if event.kind == "started":
            self._started[step] = event.at
            self._now()
        elif event.kind in ("succeeded", "failed", "skipped"):
            self.done += 1
            took = event.at - self._started.pop(step, event.at)
            if self._bar is None:
                what = event.kind if event.kind != "succeeded" else f"done in {duration(took)}"
                say(f"  {self.done}/{self.steps or '?'} {step}: {what}")
            else:
                self._bar.update(self._task, completed=self.done)
                self._now()
        elif event.kind == "retrying":
            say(f"  {step}: trying again")
        elif event.kind == "log" and step and event.message:
            if self._bar is not None:
                self._bar.update(self._task, description=f"{self.title}: {_short(event.message, 80)}")
            elif event.message.startswith("read ") or any(word in event.message for word in TRAINING):
                say(f"  {event.message}")

    def _now(self) -> None:
        if self._bar is not None:
            at_work = ", ".join(self._started) or "…"
            self._bar.update(self._task, description=f"{self.title}: {_short(at_work)}")


class ReadProgress:
    """How far reading an export is: a bar with bytes, rows/s and time left; a line now and then elsewhere."""

    EVERY = 5.0  # seconds between two lines

    def __init__(self, title: str, total: int, live: bool | None = None) -> None:
        self.title, self.total = title, total
        self.live = terminal() if live is None else live
        self.bytes = self.rows = 0
        self._clock = Clock()
        self._told = 0.0
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> ReadProgress:
        if self.live:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
            from rich.progress import TimeRemainingColumn as Remaining

            columns: Iterable[Any] = (
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                DownloadColumn(),
                TextColumn("{task.fields[rows]}"),
                Remaining(),
            )
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(_short(self.title, 32), total=self.total, rows="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def add(self, size: int, rows: int) -> None:
        """More was read."""
        self.bytes += size
        self.rows += rows
        seconds = self._clock.seconds
        if self._bar is not None:
            speed = f"{self.rows / seconds:,.0f} rows/s" if seconds > 1 else ""
            self._bar.update(self._task, completed=self.bytes, rows=speed)
        elif seconds - self._told > self.EVERY:
            self._told = seconds
            left = (self.total - self.bytes) / self.bytes * seconds if self.bytes else 0
            say(
                f"  {self.bytes / 1e6:,.0f} of {self.total / 1e6:,.0f} MB, {self.rows:,} rows,"
                f" {self.rows / seconds:,.0f} rows/s, {duration(left)} left"
            )


class Clock:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began


def _short(text: str, width: int = 48) -> str:
    line = text.splitlines()[0]
    return line if len(line) <= width else line[: width - 1] + "…"
