"""``forge search``: passages of mail, chats and documents that answer some words, with their dates and sources."""

from __future__ import annotations

import shutil
import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from forge_cli import reports
from forge_cli.output import coloured, json_option, print_json

if TYPE_CHECKING:
    from forge_resources.search import Passage

DAY = click.DateTime(["%Y-%m-%d"])
LINES = 3  # of a passage that are shown


@click.command(name="search")
@click.argument("words", nargs=-1, required=True)
@click.option(
    "--source", "sources", multiple=True, help="Only what came from it, such as gmail; may be repeated."
)
@click.option("--since", type=DAY, help="Only what was written on this day or later (UTC).")
@click.option("--until", type=DAY, help="Only what was written before this day (UTC).")
@click.option("--subject", help="Only what is of this subject, as named at ingest.")
@click.option(
    "--k", "-k", default=10, show_default=True, type=click.IntRange(1, 100), help="How many passages."
)
@json_option
def command(
    words: tuple[str, ...], sources: tuple[str, ...], since: datetime | None, until: datetime | None,
    subject: str | None, k: int, as_json: bool,
) -> None:  # fmt: skip
    """Find passages by their words and by their meaning."""
    from forge_cli.session import servers
    from forge_resources.search import Search, search

    with servers() as (_, stores):
        token = (
            subject
            if subject is None or subject.startswith("p_")
            else stores.vault.pseudonyms.person(subject)
        )
        asked = Search(" ".join(words), k, sources, _utc(since), _utc(until), token)
        found = search(stores, asked)
        population = stores.exports.population()
    if as_json:
        print_json({"population": population, "passages": [passage.as_dict() for passage in found]})
        return
    for number, passage in enumerate(found, start=1):
        show(number, passage)
    if not found:
        click.echo("Nothing that may be used answers this.")
    if population == "synthetic":
        click.echo(reports.SYNTHETIC)


def show(number: int, passage: Passage) -> None:
    width = min(shutil.get_terminal_size((100, 24)).columns, 100)
    day = passage.time.date().isoformat() if passage.time else "no date"
    head = f"{number:>2}  {day}  {passage.source}, {passage.kind}  {plain(passage.title or '')}".rstrip()
    click.echo(click.style(head, bold=True) if coloured() else head)
    lines = textwrap.wrap(plain(passage.text), max(20, width - 4))
    if len(lines) > LINES:
        lines = [*lines[: LINES - 1], f"{lines[LINES - 1]} …"]
    click.echo("\n".join(f"    {line}" for line in lines) + "\n")


def plain(text: str) -> str:
    """On one line, without what would steer a terminal or turn the direction of writing."""
    return "".join(one for one in " ".join(text.split()) if one.isprintable())


def _utc(day: Any) -> datetime | None:
    return day.replace(tzinfo=UTC) if day is not None else None
