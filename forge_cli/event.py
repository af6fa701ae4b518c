"""``forge event``: one thing watched just now; the next answer knows of it, without the history being read again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from forge_cli.output import json_option, print_json
from forge_core.errors import UsageError


class Moment(click.ParamType):
    """An ISO date and time; UTC where it names no zone."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            raise UsageError(
                "FORGE-EVENT-TIME",
                "This is no time.",
                "",
                "Write it as 2026-03-01T20:15 or 2026-03-01T20:15+01:00.",
            ) from None


@click.command(name="event")
@click.argument("subject")
@click.argument("item")
@click.option(
    "--time", "when", type=Moment(), help="When it was (default: now); UTC, unless it names a zone."
)
@click.option("--new", is_flag=True, help="SUBJECT is somebody of whom nothing is known yet.")
@click.option("--dry-run", is_flag=True, help="Show what would be recorded; write nothing.")
@json_option
def command(subject: str, item: str, when: datetime | None, new: bool, dry_run: bool, as_json: bool) -> None:
    """Record that SUBJECT watched ITEM (such as youtube:…).

    It is kept in the database until an export brings it too, and moves the subject's state on, where the champion
    keeps one.
    """
    from forge_cli.session import servers
    from forge_resources import answers

    with servers() as (_, stores):
        answer = answers.event(stores.settings, subject, item, when, new, dry_run)
    if as_json:
        print_json(answer)
    else:
        show(answer)


def show(answer: dict[str, Any]) -> None:
    verb = "Would record" if answer["dry_run"] else "Recorded"
    click.echo(f"{verb}: {answer['title']}, {answer['time']}")
    if not answer["in_catalogue"]:
        click.echo("No export has told of this item yet: it counts once one does.")
    if answer["dry_run"]:
        click.echo("Nothing was written (--dry-run).")
    elif answer["state"] is None:
        click.echo("The next answer reads it with the history.")
    elif answer["state"] == "anew":
        click.echo(
            f"The state was made from the history, {answer['events']:,} events; the next event moves it on."
        )
    else:
        click.echo(f"The state was moved on; it stands for {answer['events']:,} events.")
