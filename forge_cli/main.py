"""The ``forge`` command: finds the chosen subcommand, runs it, and turns every ending into an exit code.

Only the chosen command is imported, so that ``forge --help`` stays quick: a line here says where a command
lives and what it is for. Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused, 130 interrupted.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from collections.abc import Sequence

import click

from forge_cli.output import print_error
from forge_core.errors import ForgeError

# name -> (where, what for); the order is the order of the help
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("forge_cli.up:command", "Start the servers, the Dagster UI and the daemon; Ctrl-C stops all."),
    "env": ("forge_cli.env:command", "Start the servers, print the exports that `dagster dev` needs."),
    "down": ("forge_cli.env:down", "Stop the servers that `forge env` left up."),
    "demo": ("forge_cli.demo:command", "The whole way, on the bundled example export."),
    "ingest": ("forge_cli.ingest:command", "Register an export and read it in."),
    "build": ("forge_cli.build:command", "Materialize what is missing or stale."),
    "status": ("forge_cli.status:command", "What is there, and what is stale."),
    "doctor": ("forge_cli.doctor:command", "Is it healthy, and is it safe?"),
    "config": ("forge_cli.config:command", "Each setting and where it comes from."),
    "models": ("forge_cli.models:command", "Registered models, versions and champions."),
    "search": ("forge_cli.search:command", "Passages of mail, chats and documents that answer some words."),
    "predict": ("forge_cli.predict:command", "One answer, with why and from which sources."),
    "alerts": ("forge_cli.alerts:command", "What was unusual; ack or false teaches it."),
    "profile": ("forge_cli.profile:command", "What is stated of somebody; deny takes a statement away."),
    "event": ("forge_cli.event:command", "Something watched just now, known to the next answer."),
}


class Lazy(click.Group):
    """A group whose commands are imported when they are chosen."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="datapunk-forge", prog_name="forge")
def cli() -> None:
    """A private model factory: your data exports in, checked and registered models out."""


def run(arguments: Sequence[str]) -> int:
    """Runs one command and says how it ended."""
    as_json = "--json" in arguments
    try:
        if "_FORGE_COMPLETE" in os.environ:  # the shell asks for completions
            cli.main(list(arguments), prog_name="forge")
        # not cli.main: it answers a closed pipe with exit 1, and nothing failed
        width = max(30, min(shutil.get_terminal_size().columns, 100))  # click itself never goes below 50
        with cli.make_context("forge", list(arguments), terminal_width=width) as context:
            result = cli.invoke(context)
        sys.stdout.flush()
        return result if isinstance(result, int) and not isinstance(result, bool) else 0
    except click.exceptions.Exit as ending:
        return ending.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        wrong = ForgeError("FORGE-USAGE", error.format_message(), fix="See `forge --help`.")
        print_error(wrong, as_json)
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        return 130
    except ForgeError as error:
        print_error(error, as_json)
        return error.exit_code
    except BrokenPipeError:
        raise
    except Exception as error:
        if os.environ.get("FORGE_DEBUG"):
            raise
        # the message of an unknown error may quote a value of somebody's data: only its kind is shown
        what = f"Something unforeseen failed: {type(error).__name__}."
        print_error(
            ForgeError("FORGE-BUG", what, fix="FORGE_DEBUG=1 shows where; please report it."), as_json
        )
        return 1


def open_closed_streams() -> None:
    """`forge … >&-`: what is closed goes nowhere; no file or socket of ours must get its number."""
    for number in range(3):  # in this order: the lowest free number is the one that open gives
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
            os.set_inheritable(number, True)
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)


def main() -> None:
    open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that is not UTF-8 shows ? instead of a crash
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # whoever read us (`| head`) has enough; the interpreter must not flush into the closed pipe again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


if __name__ == "__main__":
    main()
