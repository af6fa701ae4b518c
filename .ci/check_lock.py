"""Checks requirements.lock: it satisfies pyproject.toml, pins all of it, is installed, downgrades nothing.

Prints what is wrong and exits 1. ``--resolve`` also asks pip whether the lock resolves and changes nothing.
"""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

from make_lock import closure, requirements_of
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"

# A resolver that backtracks picks ancient releases of these without a word. Major versions, as of this lock.
NOT_BELOW = {
    "alembic": "1.13",
    "dagster": "1.13",
    "evidently": "0.7",
    "grpcio": "1.60",
    "lightning": "2.5",
    "mlflow": "3.17",
    "numpy": "2.0",
    "pandas": "2.2",
    "protobuf": "5",
    "pyarrow": "18",
    "pydantic": "2.10",
    "scikit-learn": "1.5",
    "scipy": "1.14",
    "sqlalchemy": "2.0.36",
}

# torch's build for CUDA pins its own libraries exactly; its build for the CPU has none of them.
OF_TORCH = ("nvidia-", "cuda-", "triton")


def pins(lock: Path) -> dict[str, Version]:
    """Name -> version of what the lock pins for this Python; everything in it must be pinned exactly."""
    found = {}
    for line in lock.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        (exact,) = requirement.specifier
        if exact.operator != "==":
            raise SystemExit(f"requirements.lock: not pinned exactly: {line}")
        found[canonicalize_name(requirement.name)] = Version(exact.version)
    return found


def problems(locked: dict[str, Version]) -> list[str]:
    """What is wrong with the lock, one sentence each."""
    found = []
    wanted = requirements_of(ROOT / "pyproject.toml")
    for requirement in wanted:
        version = locked.get(canonicalize_name(requirement.name))
        if version is None:
            found.append(f"{requirement.name} is asked for by pyproject.toml and not locked")
        elif not requirement.specifier.contains(version, prereleases=True):
            found.append(
                f"{requirement.name} is locked at {version}, pyproject.toml asks for {requirement.specifier}"
            )
    for name, floor in NOT_BELOW.items():
        if name in locked and locked[name] < Version(floor):
            found.append(f"{name} is locked at {locked[name]}: the resolver fell back below {floor}")
    for name in closure(wanted):
        if name not in locked and not name.startswith(OF_TORCH):
            found.append(f"{name} is needed and not locked")
    for name, version in locked.items():
        try:
            installed = Version(metadata.version(name))
        except metadata.PackageNotFoundError:
            found.append(f"{name} is locked and not installed")
            continue
        if installed.public != version.public:
            found.append(f"{name} is locked at {version}, installed is {installed}")
    return found


def resolves() -> list[str]:
    """Ask pip: the lock resolves, and installing it here would change nothing."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--dry-run",
        "--disable-pip-version-check",
        "-r",
        str(LOCK),
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return [f"the lock does not resolve: {done.stderr.strip().splitlines()[-1:]}"]
    changes = [line for line in done.stdout.splitlines() if line.startswith("Would install")]
    return [f"the lock is not what is installed: {line}" for line in changes]


def main() -> None:
    found = problems(pins(LOCK))
    if "--resolve" in sys.argv[1:] and not found:
        found += resolves()
    for problem in found:
        print(problem)
    if found:
        raise SystemExit(1)
    print(f"requirements.lock: {len(pins(LOCK))} packages, all bounds hold, nothing downgraded")


if __name__ == "__main__":
    main()
