"""An atheris target for any reader: coverage-guided fuzzing (https://github.com/google/atheris).

    python -m tests.fuzz.target READER [libFuzzer options] [corpus folders]

Whatever the reader raises, or takes more than five seconds over, is a finding.
"""

from __future__ import annotations

import sys


def main() -> None:
    import atheris

    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=["forge_core"]):
        from forge_core.sources import reader_named
        from tests.fuzz.reading import read, seeds
    reader = reader_named(name)
    # names matter to readers that tell prose from data by it
    names = list(seeds(name)) or ["member"]

    def one(data: bytes) -> None:
        read(reader, {names[len(data) % len(names)]: data})

    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
