"""Checks that nothing we install has a licence stricter than the LGPL.

A package with several licences to choose from is fine when one of them is. ``KNOWN`` names the packages
whose metadata says too little, each with what its licence file says.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

from check_lock import LOCK, pins

STRICT = re.compile(
    r"(?<!L)(?<!Lesser )\b(A?GPL|SSPL|BUSL|Commons[- ]Clause|Elastic|Proprietary|NonCommercial)", re.I
)
GNU_NAMES = re.compile(r"(?<!lesser )(?<!library or lesser )\b(affero )?general public licen[cs]e", re.I)
FREE = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software|MPL|Mozilla|Zlib|Unlicense|LGPL|Lesser General|HPND|CC0"
    r"|PostgreSQL|Public Domain|CNRI|WTFPL|BSL-1|Boost|Historical",
    re.I,
)

# name -> what its own licence file says, where the metadata is empty or unclear
KNOWN: dict[str, str] = {"huey": "MIT", "skops": "MIT"}


def verdict(name: str, licence: str) -> str | None:
    """What is wrong with a licence, or None."""
    licence = KNOWN.get(name, licence)
    choices = re.split(r"\bOR\b|;| or ", licence)
    if any(FREE.search(c) and not STRICT.search(c) and not GNU_NAMES.search(c) for c in choices):
        return None
    if STRICT.search(licence) or GNU_NAMES.search(licence):
        return f"{name}: {licence} is stricter than the LGPL"
    return f"{name}: licence unknown ({licence}); look it up and add it to KNOWN in .ci/check_licences.py"


def main() -> None:
    program = [
        sys.executable,
        "-m",
        "piplicenses",
        "--format=json",
        "--from=mixed",
        "--packages",
        *pins(LOCK),
    ]
    listed = json.loads(subprocess.run(program, check=True, capture_output=True, text=True).stdout)
    found = [problem for one in listed if (problem := verdict(one["Name"].lower(), one["License"]))]
    for problem in found:
        print(problem)
    if found:
        raise SystemExit(1)
    print(f"licences: {len(listed)} packages, none stricter than the LGPL")


if __name__ == "__main__":
    main()
