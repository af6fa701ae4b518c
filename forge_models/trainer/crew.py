"""The processes that train together: this one leads, the others do as it does and end with it.

Lightning's own launchers start the program anew or want to own all processes; a step of Dagster can be neither. So the
leader is the process that called, the others are spawned by it, and Lightning is told that they are there.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

from forge_core.errors import ForgeError
from forge_models.trainer.failures import SURVIVED, survivable
from forge_models.trainer.plan import Plan, cores

START_SECONDS = 180  # a worker imports torch and lightning, on a machine that may be busy
WAIT = timedelta(hours=2)  # for one another: the leader evaluates meanwhile
END_SECONDS = 3


@dataclass(frozen=True)
class Crew:
    """This process among those that train together."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def sum(self, values: Sequence[float], device: str) -> list[float]:
        """Each value summed over all processes."""
        if self.size == 1:
            return list(values)
        told = torch.tensor(values, dtype=torch.float64, device=device)
        torch.distributed.all_reduce(told)
        return told.tolist()


@contextlib.contextmanager
def gathered(plan: Plan, work: Callable[..., None], *payload: Any) -> Iterator[Crew]:
    """The leader's crew; ``work(crew, *payload)`` runs in the other processes, which are gone at the end.

    ``work`` and ``payload`` travel by pickle, between processes of our own.
    """
    if plan.processes == 1:
        yield Crew()
        return
    context = torch.multiprocessing.get_context("spawn")
    words: Any = context.Queue()
    folder = Path(tempfile.mkdtemp(prefix="forge-crew-"))
    threads = torch.get_num_threads()
    others = [
        context.Process(
            target=_work,
            args=(rank, plan, folder, words, os.getpid(), work, payload),
            daemon=True,
        )
        for rank in range(1, plan.processes)
    ]
    try:
        for other in others:
            other.start()
        _all_there(others, words)
        torch.set_num_threads(max(1, cores() // plan.processes))
        try:
            _meet(plan, 0, folder)
            yield Crew(0, plan.processes)
        except RuntimeError as error:
            if _broken(error):
                _what_they_said(words, error)
            raise
    finally:
        _end(others)
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        torch.set_num_threads(threads)
        shutil.rmtree(folder, ignore_errors=True)


def _meet(plan: Plan, rank: int, folder: Path) -> None:
    if not plan.cuda and Path("/sys/class/net/lo").exists():
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # gradients of personal data stay on this machine
    store = torch.distributed.FileStore(str(folder / "meeting"), plan.processes)
    backend = "nccl" if plan.cuda else "gloo"
    torch.distributed.init_process_group(
        backend, store=store, rank=rank, world_size=plan.processes, timeout=WAIT
    )


def _work(
    rank: int, plan: Plan, folder: Path, words: Any, leader: int, work: Callable[..., None], payload: Any
) -> None:
    """The life of another process than the leader."""
    for what in (signal.SIGINT, signal.SIGTERM):
        signal.signal(what, signal.SIG_IGN)  # the leader is told too, finishes its step and ends us
    threading.Thread(target=_end_with, args=(leader,), daemon=True).start()
    torch.set_num_threads(max(1, cores() // plan.processes))
    try:
        import lightning.fabric  # noqa: F401  now, while the leader waits for us with a limit

        words.put(("ready", rank, ""))
        _meet(plan, rank, folder)
        work(Crew(rank, plan.processes), *payload)
    except Exception as error:
        kind = survivable(error, plan.cuda)
        words.put((kind.__name__ if kind else "failed", rank, f"{type(error).__name__}: {error}"))
        words.close()
        words.join_thread()
        os._exit(1)
    torch.distributed.destroy_process_group()


def _end_with(leader: int) -> None:
    while os.getppid() == leader:
        time.sleep(0.5)
    os._exit(1)


def _all_there(others: Sequence[Any], words: Any) -> None:
    """Wait until every process has said that it is ready."""
    ready, deadline = 0, time.monotonic() + START_SECONDS
    while ready < len(others):
        try:
            kind, _, why = words.get(timeout=0.5)
        except queue.Empty:
            if time.monotonic() < deadline and all(other.is_alive() for other in others):
                continue
            kind, why = "failed", "it ended or was too slow"
        if kind != "ready":
            raise ForgeError(
                "FORGE-TRAINER-PROCESS", "A process that was to train did not start.", f"{why}."
            ) from None
        ready += 1


def _broken(error: RuntimeError) -> bool:
    """The connection to another process broke: it failed first, and its reason is the one to know."""
    return isinstance(error, torch.distributed.DistError) or "gloo" in str(error).lower()


def _what_they_said(words: Any, error: RuntimeError) -> None:
    """Raise the reason of another process, if there is one."""
    kinds = {kind.__name__: kind for kind in SURVIVED}
    with contextlib.suppress(queue.Empty):
        kind, rank, why = words.get(timeout=1)
        if kind in kinds:
            raise kinds[kind](why) from error
        raise ForgeError(
            "FORGE-TRAINER-PROCESS", f"Training process {rank} failed.", why.partition(":")[0] + "."
        ) from error


def _end(others: Sequence[Any]) -> None:
    """They end by themselves when all is done; what does not is killed."""
    deadline = time.monotonic() + END_SECONDS
    for other in others:
        if other.pid is not None:
            other.join(max(0.0, deadline - time.monotonic()))
            if other.is_alive():
                other.kill()
                other.join()
