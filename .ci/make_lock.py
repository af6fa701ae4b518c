"""Writes requirements.lock: what this environment has, for exactly what pyproject.toml asks for.

Run it in an environment where the project and its ``dev`` extra are installed:
``python .ci/make_lock.py > requirements.lock``. Only the closure of our own requirements is
written, so that tools somebody installed by hand never get into it. Packages that only some Python
versions need are listed in ``OTHER_PYTHONS``.
"""

from __future__ import annotations

import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent

# Needed by one Python version and absent from the environment the lock is written in.
OTHER_PYTHONS: tuple[str, ...] = ()

HEADER = """\
# Everything `make` installs, for running and developing, pinned; Python 3.11 to 3.13.
# Written by .ci/make_lock.py from a tested environment and checked by .ci/check_lock.py.
"""


def requirements_of(pyproject: Path) -> list[Requirement]:
    """What the project itself asks for, with its ``dev`` extra."""
    project = tomllib.loads(pyproject.read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return [Requirement(line) for line in wanted]


def closure(wanted: list[Requirement]) -> dict[str, str]:
    """Name -> version of all that ``wanted`` pulls in on this interpreter."""
    versions: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    todo = list(wanted)
    while todo:
        requirement = todo.pop()
        name = canonicalize_name(requirement.name)
        extras = frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        distribution = metadata.distribution(name)
        versions[name] = distribution.version.partition("+")[0]  # a local build label is this machine's own
        for line in distribution.requires or ():
            child = Requirement(line)
            marker = child.marker
            if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
                todo.append(child)
    return versions


def main() -> None:
    pinned = closure(requirements_of(ROOT / "pyproject.toml"))
    lines = [f"{name}=={version}" for name, version in pinned.items()]
    sys.stdout.write(HEADER + "".join(f"{line}\n" for line in sorted([*lines, *OTHER_PYTHONS])))


if __name__ == "__main__":
    main()
