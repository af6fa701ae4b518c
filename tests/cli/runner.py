"""Runs the command in this process, as the shell would: exit code, what it said, what it printed."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forge_cli import main


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def forge(*arguments: str | Path) -> Ended:
    """``forge ARGUMENTS``; usage errors end with the exit code that the shell would see."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main.run([str(argument) for argument in arguments])
    return Ended(code, out.getvalue(), err.getvalue())
