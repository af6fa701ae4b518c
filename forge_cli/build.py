"""``forge build``: makes what is missing or stale, and says what came of it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import click

from forge_cli import reports, results
from forge_cli.output import json_option, print_json, say
from forge_cli.progress import RunProgress
from forge_core import keys, staleness
from forge_core.errors import UsageError

if TYPE_CHECKING:
    from forge_cli.client import Dagster, Outcome
    from forge_core.staleness import Node
    from forge_resources.stores import Stores

RAW = frozenset(keys.raw(kind) for kind in keys.KINDS)
REFUSED_EXIT = 3


@dataclass
class Built:
    """What a build was to do and what came of it."""

    planned: Mapping[str, str]
    outcome: Outcome | None = None
    results: list[dict[str, Any]] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        return self.outcome is not None and not self.outcome.ok

    def exit_code(self, selection: Sequence[str]) -> int:
        """3 only where an asset named on the command line was itself refused."""
        if self.failed:
            return 1
        refused = {row["asset"] for row in self.results if row["state"] == "refused"}
        return REFUSED_EXIT if refused & set(selection) else 0

    def as_dict(self) -> dict[str, Any]:
        return {
            "planned": dict(self.planned),
            "run": self.outcome.as_dict() if self.outcome else None,
            "assets": self.results,
        }


@click.command(name="build")
@click.argument("selection", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Show what would be built and why; build nothing.")
@json_option
def command(selection: tuple[str, ...], dry_run: bool, as_json: bool) -> int:
    """Build what is missing or stale.

    SELECTION is an asset (recommender/champion), a group of them (recommender) or a pattern (clean/*);
    what they rest on is built first where it is stale.
    """
    from forge_cli.session import dagster, servers, wait_for_others

    began = time.time()
    with servers() as (stack, stores), dagster(stack) as client:
        wait_for_others(client, since=began if started_here(stack) else None)
        graph = client.graph()
        planned = plan(stores, graph, selection)
        if dry_run:
            show_plan(planned, as_json)
            return 0
        built = run(client, stores, planned)
        asked = with_ancestors(graph, chosen(graph, selection))
        built.results = results.assets(stores, graph, client.checks(), only=asked)
        document = built.as_dict() | {"population": stores.exports.population()}
    if as_json:
        print_json(document)
    else:
        show(built, document["population"])
    return built.exit_code(selection)


def started_here(stack: Any) -> bool:
    from forge_resources.stack.processes import running

    return running(stack.settings) is None


def chosen(graph: Mapping[str, Node], selection: Sequence[str]) -> set[str]:
    """The assets a selection names; all of them where it is empty."""
    found: set[str] = set()
    for word in selection:
        group = f"{word.rstrip('/')}/"
        named = {key for key in graph if key == word or key.startswith(group) or fnmatchcase(key, word)}
        if not named:
            raise UsageError(
                "FORGE-SELECTION",
                "The selection names no asset.",
                "It is an asset (recommender/champion), a group (recommender) or a pattern (clean/*).",
                "`forge status` lists the assets.",
            )
        found |= named
    return found if selection else set(graph)


def with_ancestors(graph: Mapping[str, Node], wanted: set[str]) -> set[str]:
    """``wanted`` and all that it rests on."""
    found, todo = set(), list(wanted)
    while todo:
        key = todo.pop()
        if key in graph and key not in found:
            found.add(key)
            todo.extend(graph[key].dependencies)
    return found


def plan(stores: Stores, graph: Mapping[str, Node], selection: Sequence[str] = ()) -> dict[str, str]:
    """What to build, in order, each with the reason."""
    wanted = with_ancestors(graph, chosen(graph, selection))
    versions = stores.versions.all()
    from forge_resources import public_sets

    # given outside of any run, consent and feedback by tables, public sets by files: assets only show them
    said = {keys.consent(purpose): stores.consent.version(purpose) for purpose in keys.PURPOSES}
    said |= {keys.FEEDBACK: stores.feedback.version(), **public_sets.versions(stores.settings)}
    for key, version in said.items():
        last = versions.get(key)
        if last is not None and last.data_version != version:
            del versions[key]
    restricted = {key: node for key, node in graph.items() if key in wanted}
    return staleness.plan(restricted, versions, never=RAW)


def run(client: Dagster, stores: Stores, planned: Mapping[str, str]) -> Built:
    """One run over the plan, followed to its end."""
    if not planned:
        return Built(planned)
    say(f"building {len(planned)} asset{'s' if len(planned) != 1 else ''} …")
    with RunProgress("build") as progress:
        started = client.launch(list(planned), {"forge/command": "build"})
        outcome = client.follow(started, progress.event, progress.total)
    return Built(planned, outcome)


def show_plan(planned: Mapping[str, str], as_json: bool) -> None:
    if as_json:
        print_json({"dry_run": True, "planned": planned})
    elif planned:
        reports.table(("asset", "because"), planned.items())
        click.echo(f"{len(planned)} would be built. Nothing was built (--dry-run).")
    else:
        click.echo("everything is fresh")


def show(built: Built, population: str | None) -> None:
    """The table of a build, and every word that was said against an asset."""
    refused = [row for row in built.results if row["state"] == "refused"]
    if built.planned:
        results.show([row for row in built.results if row["asset"] in built.planned], population)
    elif refused:
        click.echo("nothing to build: what was refused stays so until its data or consent changes")
    else:
        click.echo("everything is fresh")
    for row in refused:
        click.echo(f"refused: {row['asset']}: {row['note']}")
    if built.outcome is not None:
        reports.failures(built.outcome.failures)
        if built.failed and not built.outcome.failures:
            click.echo(f"the run ended as {built.outcome.status.lower()}", err=True)
