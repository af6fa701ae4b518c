"""``forge profile``: what is stated of people, why it may well come again, and what its owner says of it."""

from __future__ import annotations

from typing import Any

import click

from forge_cli import reports
from forge_cli.output import json_option, print_json


@click.command(name="profile")
@click.argument("word", required=False, type=click.Choice(["deny", "allow"]))
@click.argument("identifier", required=False, metavar="ID")
@click.option("--subject", help="Of whom alone, as named at ingest.")
@click.option(
    "--k",
    "-k",
    default=50,
    show_default=True,
    type=click.IntRange(1, 10_000),
    help="How many, the likeliest.",
)
@click.option("--dry-run", is_flag=True, help="Show which one is meant; write nothing.")
@json_option
def command(
    word: str | None, identifier: str | None, subject: str | None, k: int, dry_run: bool, as_json: bool
) -> None:
    """List statements, deny one (deny ID) or take a denial back (allow ID).

    What is denied is not said again, whatever comes of it later. Other families go on as before.
    """
    if (word is None) != (identifier is None):
        raise click.UsageError("Name the statement: forge profile deny ID, or forge profile allow ID.")
    from forge_cli.session import servers
    from forge_resources import statements_told

    with servers() as (_, stores):
        population = stores.exports.population()
        if word is not None:
            answer = statements_told.judge(stores, word, str(identifier), dry_run)
        else:
            answer = {"population": population, **statements_told.statements_told(stores, subject, k)}
    if as_json:
        print_json(answer)
    elif word is not None:
        verb = "Would note" if dry_run else "Noted"
        told = "it is not said again" if word == "deny" else "`forge build insights/profile` says it again"
        click.echo(f"{verb}: {answer['statement']} {word}; {told}.")
    else:
        show(answer)


def show(answer: dict[str, Any]) -> None:
    rows = [
        (
            one["statement"],
            one["what"],
            f"{one['probability']:.2f} [{one['low']:.2f}, {one['high']:.2f}]",
            f"{one['events']:,} in {one['weeks']} weeks",
            f"{one['last_seen']:%Y-%m-%d}",
            ", ".join(one["sources"]),
        )
        for one in answer["statements"]
    ]
    if rows:
        reports.table(("id", "statement", "next week", "events", "last", "sources"), rows, right=(2, 3))
    else:
        click.echo("Nothing is stated.")
    if answer["denied"]:
        click.echo(f"denied: {', '.join(answer['denied'])} (`forge profile allow ID` takes it back)")
    if answer["population"] == "synthetic":
        click.echo(reports.SYNTHETIC)
