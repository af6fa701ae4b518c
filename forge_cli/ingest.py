"""``forge ingest``: registers exports and launches the run that the UI's Materialize would."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from forge_cli import inside, reports
from forge_cli.consenting import settle
from forge_cli.output import json_option
from forge_cli.progress import RunProgress
from forge_cli.registering import Registered, register, survey_first, unpublished
from forge_core import keys

if TYPE_CHECKING:
    from forge_cli.client import Dagster, Outcome
    from forge_resources.exports import Export

REFUSED_EXIT = 3


@click.command(name="ingest")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--as", "subject", metavar="SUBJECT", help="Whose data it is (default: the archive's account, else me)."
)
@click.option(
    "--consent", type=click.Choice(["all", "none"]), help="Consent for all purposes, without being asked."
)
@click.option("--dry-run", is_flag=True, help="Show what is inside; write nothing.")
@json_option
def command(
    paths: tuple[Path, ...], subject: str | None, consent: str | None, dry_run: bool, as_json: bool
) -> int:
    """Register exports and publish their rows.

    PATH is an archive, a folder that is one unpacked export, a folder of archives, or a single file.
    """
    found = inside.exports_in(paths)
    if dry_run:
        looks = [inside.look(path, subject, count=True) for path in found]
        reports.show_looks(looks, as_json)
        return max((look.error.exit_code for look in looks if look.error and look.path in paths), default=0)
    from forge_cli.session import dagster, servers

    surveyed = survey_first(found, paths, subject)
    with servers() as (stack, stores):
        registered = register(stores, surveyed, subject)
        notes = settle(stores, consent)
        todo = unpublished(stores, registered)
        outcome = None
        if todo:
            with dagster(stack) as client:
                outcome = publish(client, todo)
        report = reports.of_ingest(stores, registered, [export.partition for export in todo], outcome, notes)
    reports.show_ingest(report, as_json)
    return exit_code(registered, report, outcome)


def publish(client: Dagster, exports: list[Export]) -> Outcome:
    """Add the partitions and run the raw assets over them: one run for each unbroken range of keys."""
    from forge_cli.client import RANGE_END, RANGE_START

    wanted = {export.partition for export in exports}
    client.add_partitions(export.partition for export in exports)
    raw = [keys.raw(kind) for kind in keys.KINDS]
    outcome: Outcome | None = None
    for first, last in ranges(client.partitions(raw[0]), wanted):
        run = client.launch(raw, {RANGE_START: first, RANGE_END: last, "forge/command": "ingest"})
        with RunProgress("ingest") as progress:
            follow = client.follow(run, progress.event, progress.total)
        if outcome is not None:
            follow.failures = outcome.failures + follow.failures
            follow.seconds += outcome.seconds
            follow.status = follow.status if outcome.ok else outcome.status
        outcome = follow
    assert outcome is not None  # every wanted key was just added
    return outcome


def ranges(order: list[str], wanted: set[str]) -> list[tuple[str, str]]:
    """Unbroken runs of wanted keys in Dagster's order, each as (first, last)."""
    found: list[tuple[str, str]] = []
    unbroken = False
    for key in order:
        if key in wanted and unbroken:
            found[-1] = (found[-1][0], key)
        elif key in wanted:
            found.append((key, key))
        unbroken = key in wanted
    return found


def exit_code(registered: Registered, report: dict[str, Any], outcome: Outcome | None) -> int:
    if outcome is not None and not outcome.ok:
        return 1
    named = {registered.exports[path].partition for path in registered.named if path in registered.exports}
    refused = any(e["status"] == "refused" and e["partition"] in named for e in report["exports"])
    return max(registered.exit_code(), REFUSED_EXIT if refused else 0)
