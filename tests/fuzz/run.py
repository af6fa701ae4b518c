"""Fuzz every reader for a while, two at a time, and say what was found: one line each, one JSON object at the end.

    python -m tests.fuzz.run --seconds 20            as CI does
    python -m tests.fuzz.run --seconds 3600 --seed 0 the long run; its result goes into docs/fuzzing.md

Inputs that crash or hang a reader are kept in ``findings/`` (git does not see it); make a test of each.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.fuzz.reading import CORPUS

ROOT = Path(__file__).resolve().parents[2]
FINDINGS = ROOT / "tests" / "fuzz" / "findings"
HANG_SECONDS = 5
MEMORY_MB = 1024
SLACK_SECONDS = 40  # to start and to end, on a busy machine
_RUNS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_COVERAGE = re.compile(r"cov: (\d+)")


def fuzz(reader: str, seconds: int, seed: int) -> dict[str, Any]:
    """Fuzz one reader; what it did and found."""
    findings = FINDINGS / reader
    findings.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as grown:
        command = [
            sys.executable, "-m", "tests.fuzz.target", reader, grown, f"-max_total_time={seconds}", f"-seed={seed}",
            f"-timeout={HANG_SECONDS}", f"-rss_limit_mb={MEMORY_MB}", "-max_len=16384", "-print_final_stats=1",
            f"-artifact_prefix={findings}/",
        ]  # fmt: skip
        if (CORPUS / reader).is_dir():
            command.insert(5, str(CORPUS / reader))
        said, status = watched(command, seconds + SLACK_SECONDS)
    runs, coverage = _RUNS.search(said), _COVERAGE.findall(said)
    kept = sorted(path.name for path in findings.iterdir())
    found = {
        "reader": reader,
        "seconds": seconds,
        "runs": int(runs[1]) if runs else 0,
        "coverage": int(coverage[-1]) if coverage else 0,
        "crashes": sum(name.startswith("crash-") for name in kept),
        "hangs": sum(name.startswith("timeout-") for name in kept),
        "out_of_memory": sum(name.startswith("oom-") for name in kept),
        "exit": status,
    }
    if status:
        (findings / "report.txt").write_text(said[-20_000:])
    elif not kept:
        shutil.rmtree(findings)
    sys.stderr.write(json.dumps(found) + "\n")  # at once: another thread may be writing
    return found


def watched(command: list[str], seconds: int) -> tuple[str, int]:
    """(what it said, its exit status). One that is done and does not end is ended: libFuzzer exits with Python's lock
    held, and a thread of pyarrow that still wants it waits for ever.
    """
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT, env=os.environ | {"TZ": "UTC"}
        )
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        out.seek(0)
        said = out.read().decode("utf-8", "replace")
    return said, 0 if status == -signal.SIGKILL and _RUNS.search(said) else status


def main() -> int:
    from forge_core.sources import readers

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seconds", type=int, default=20, help="for each reader")
    parser.add_argument("--seed", type=int, default=1, help="0: another one each time")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("readers", nargs="*", help="these alone")
    asked = parser.parse_args()
    names = asked.readers or [reader.name for reader in readers()]
    shutil.rmtree(FINDINGS, ignore_errors=True)
    with ThreadPoolExecutor(asked.jobs) as pool:
        found = list(pool.map(lambda name: fuzz(name, asked.seconds, asked.seed), names))
    bad = [one["reader"] for one in found if one["exit"]]
    print(json.dumps({"fuzz": found, "readers": len(found), "findings": bad}, indent=2))
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
