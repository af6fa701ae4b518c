"""How the command speaks: one JSON object with ``--json``, else lines and tables that fit the terminal."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from forge_core.errors import ForgeError

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
COLOURS = {"ok": "green", "note": "yellow", "unsafe": "red", "failed": "red"}


def print_json(value: Any) -> None:
    """Exactly one object on stdout; plain ASCII where the terminal knows no more."""
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    click.echo(json.dumps(value, ensure_ascii=not unicode, default=str, indent=2))


def print_error(error: ForgeError, as_json: bool) -> None:
    if as_json:
        print_json({"error": error.as_dict()})
        return
    sentences = " ".join(part for part in (error.what, error.why, error.fix) if part)
    click.echo(f"{paint('error:', 'red', to_stderr=True)} {sentences} [{error.code}]", err=True)


def coloured(to_stderr: bool = False) -> bool:
    """NO_COLOR wins; a pipe gets none."""
    stream = sys.stderr if to_stderr else sys.stdout
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()


def paint(text: str, colour: str, to_stderr: bool = False) -> str:
    return click.style(text, fg=colour) if coloured(to_stderr) else text


def say(text: str) -> None:
    """A line for the person who watches; never into stdout, which may be read by a program."""
    click.echo(text, err=True)


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Columns as wide as they need; on a terminal too narrow for that, one block per row."""
    cells = [[("" if cell is None else str(cell)) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(head), *cells]) for i in range(len(head))]
    room = shutil.get_terminal_size((100, 24)).columns
    if sum(widths[:-1]) + 2 * len(widths) + min(widths[-1], 20) <= room:
        for number, line in enumerate([list(head), *cells]):
            text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            click.echo(click.style(text, bold=True) if number == 0 and coloured() else text)
        return
    for line in cells:
        for name, cell in zip(head, line, strict=True):
            click.echo(f"{name}: {cell}")
        click.echo("")
