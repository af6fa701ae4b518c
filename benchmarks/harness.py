"""Runs the arms of a benchmark: each in a process of its own, on two cores, in turn, with its time and memory.

``seconds`` is what the arm says of itself; CPU seconds and memory are seen from outside and are of all its processes
together. ``peak_mb`` is the largest sum of proportional set sizes that was seen (shared pages count once);
``high_water_mb`` adds up the highest resident size each process ever had, shared pages in each: no spike escapes it.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "benchmarks" / "peers"
CORES = 2
LOOK_S, LOOK_DEEP_S = 0.05, 0.1  # proportional sizes are dear to ask for
SELDOM = 0.005  # of the time that has passed: one who works for an hour is not looked at every moment
Result = dict[str, Any]


@dataclass(frozen=True)
class Arm:
    """``module`` of benchmarks.arms, in the environment of ``peer``, ours if there is none."""

    module: str
    arguments: Sequence[object] = ()
    peer: str | None = None
    once: bool = False  # too slow to be repeated
    memory: int | None = None  # bytes of address space that it may take
    more: dict[str, Any] = field(default_factory=dict)  # to be said beside its figures


def pin() -> list[int]:
    """Keep this process, and all that it starts, to the first cores that it has."""
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    os.sched_setaffinity(0, cores)
    return cores


def python(peer: str | None, home: Path) -> str:
    """The interpreter of a peer's own environment, made on first use and when its requirements change."""
    if peer is None:
        return sys.executable
    place, wanted = home / "peers" / peer, PEERS / f"{peer}.txt"
    interpreter, ready = place / "bin" / "python", place / "ready"
    digest = hashlib.sha256(wanted.read_bytes()).hexdigest()
    if not ready.exists() or ready.read_text() != digest:
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        install = [str(interpreter), "-m", "pip", "install", "-q", "-r", str(wanted)]
        subprocess.run(install, check=True, stdout=sys.stderr)
        ready.write_text(digest)
    return str(interpreter)


def in_turn(arms: dict[str, Arm], repeat: int, home: Path, size: int = 0) -> dict[str, Result]:
    """The fastest run of each arm; they take turns, so that a busy machine is unfair to none.

    ``size`` are the bytes that are read. An arm that fails says why and is not run again.
    """
    best: dict[str, Result] = {}
    for turn in range(repeat):
        for name, arm in arms.items():
            if turn and (arm.once or "failed" in best[name]):
                continue
            result = run(arm, home)
            if "failed" in result or turn == 0 or result["seconds"] < best[name]["seconds"]:
                best[name] = result
    for name, result in best.items():
        if "failed" not in result:
            result["rows_per_s"] = round(result["rows"] / result["seconds"])
            if size:
                result["mb_per_s"] = round(size / 1e6 / result["seconds"], 1)
        result |= arms[name].more
    return best


def run(arm: Arm, home: Path) -> Result:
    """One run of one arm."""
    command = [python(arm.peer, home), "-m", f"benchmarks.arms.{arm.module}", *map(str, arm.arguments)]

    def limited() -> None:
        if arm.memory:
            resource.setrlimit(resource.RLIMIT_AS, (arm.memory, arm.memory))

    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=out, stderr=err, preexec_fn=limited, env=dict(os.environ, TZ="UTC")
        )
        memory = Memory(process.pid)
        memory.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        memory.stop.set()
        memory.join()
        out.seek(0)
        err.seek(0)
        said, complaint = out.read().decode(), err.read().decode("utf-8", "replace")
    seen: Result = {
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
        "peak_mb": memory.peak >> 10,
        "high_water_mb": sum(memory.highest.values()) >> 10,
        "processes": len(memory.highest),
    }
    if process.returncode:
        last = (complaint.strip().splitlines() or ["no word"])[-1]
        out_of_memory = "MemoryError" in complaint or process.returncode == -9
        limit = f" (limit {arm.memory >> 20} MiB)" if arm.memory else ""
        return {"failed": f"out of memory{limit}" if out_of_memory else last[:200], **seen}
    result: Result = json.loads(said.splitlines()[-1])
    return result | seen


class Memory(threading.Thread):
    """Looks at the memory of a process and its descendants until told to stop. Sizes in KiB."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.stop = pid, threading.Event()
        self.peak = 0
        self.highest: dict[int, int] = {}

    def run(self) -> None:
        deep, began = 0.0, time.monotonic()
        while not self.stop.wait(max(LOOK_S, SELDOM * (time.monotonic() - began))):
            family = descendants(self.pid)
            for pid in family:
                self.highest[pid] = max(self.highest.get(pid, 0), _figure(f"/proc/{pid}/status", "VmHWM:"))
            if time.monotonic() - deep > LOOK_DEEP_S:
                deep = time.monotonic()
                now = sum(_figure(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in family)
                self.peak = max(self.peak, now)


def descendants(pid: int) -> list[int]:
    """A process and all that came from it."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        try:
            for task in os.listdir(f"/proc/{one}/task"):
                children = Path(f"/proc/{one}/task/{task}/children").read_text()
                waiting += [int(child) for child in children.split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _figure(path: str, name: str) -> int:
    try:
        with open(path) as file:
            return next((int(line.split()[1]) for line in file if line.startswith(name)), 0)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0


def ratio(peer: Result, ours: Result, what: str = "seconds") -> float | None:
    """How many times longer the peer takes; None where one of them failed."""
    if "failed" in peer or "failed" in ours:
        return None
    return round(float(peer[what]) / max(float(ours[what]), 1e-9), 1)


def said(result: Result) -> Result:
    """The result of an arm that ran; RuntimeError where it failed."""
    if "failed" in result:
        raise RuntimeError(f"an arm failed: {result['failed']}")
    return result


def interval(ratios: list[float]) -> dict[str, Any]:
    """Their median with the 95 % bootstrap interval of it, and all of them."""
    import numpy as np

    drawn = np.random.default_rng(0).choice(ratios, (2000, len(ratios)))
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return {
        "median": round(float(np.median(ratios)), 3),
        "interval": [round(float(low), 3), round(float(high), 3)],
        "all": [round(ratio, 3) for ratio in ratios],
    }
