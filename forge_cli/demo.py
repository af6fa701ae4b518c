"""``forge demo``: the whole way, from an export to a trained and checked model in the Dagster UI."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from forge_cli import build, ingest, inside, reports, results
from forge_cli.consenting import settle
from forge_cli.output import json_option, print_json, say
from forge_cli.progress import Clock, duration
from forge_cli.up import Interrupts
from forge_core.errors import ForgeError

if TYPE_CHECKING:
    from forge_cli.client import Dagster
    from forge_resources.stack import Stack
    from forge_resources.stack.processes import DagsterProcesses

SEED = 7
PORTS = 20  # how many ports after the wished one are tried


@click.command(name="demo")
@click.argument("export", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--exit", "leave", is_flag=True, help="Stop everything once the table is printed.")
@click.option(
    "--people", default=120, show_default=True, type=click.IntRange(1), help="Of the invented cohort."
)
@click.option(
    "--years", default=1.0, show_default=True, type=click.FloatRange(0.05, 20), help="Of their history."
)
@click.option(
    "--consent", type=click.Choice(["all", "none"]), help="Consent for all purposes, without being asked."
)
@json_option
def command(
    export: Path | None, leave: bool, people: int, years: float, consent: str | None, as_json: bool
) -> int:
    """Go the whole way on the bundled example, or on EXPORT, an export of your own."""
    from forge_cli.session import servers, wait_for_others
    from forge_resources.settings import load_settings

    clock = Clock()
    set_home("demo-export" if export else "demo")
    os.environ.setdefault("FORGE_PRESET", "quick")
    settings = load_settings()
    source = export or example(settings.home, people, years)
    found = inside.exports_in((source,))
    interrupts = Interrupts()
    with ExitStack() as opened:
        opened.enter_context(interrupts)
        # before any server is started: a bad export alone writes nothing
        surveyed = ingest.survey_first(found, (source,), None)
        say(f"starting PostgreSQL and Redis in {settings.home} …")
        stack, stores = opened.enter_context(servers(settings))
        surveyed = ingest.register(stores, surveyed, None)
        notes = settle(stores, consent, default=True, yes_by="forge demo")
        for note in notes:
            say(note)
        processes, client = opened.enter_context(Ui(stack, interrupts))
        todo = ingest.unpublished(stores, surveyed)
        outcome = ingest.publish(client, todo) if todo else None
        report = reports.of_ingest(stores, surveyed, [e.partition for e in todo], outcome, notes)
        failed = outcome is not None and not outcome.ok
        built = build.Built({})
        if not failed:
            wait_for_others(client)
            graph = client.graph()
            built = build.run(client, stores, build.plan(stores, graph))
            built.results = results.assets(stores, graph, client.checks())
        document = {
            "home": str(settings.home),
            "url": client.url,
            "population": report["population"],
            "ingest": report,
            "build": built.as_dict(),
            "seconds": round(clock.seconds, 1),
        }
        show(document, built, as_json)
        code = 1 if failed or built.failed else surveyed.exit_code()
        if not leave and processes is not None:
            stay(client.url, processes)
    return code


class Ui:
    """The UI for the demo, on the wished port or the next free one; a running ``forge up`` is used."""

    def __init__(self, stack: Stack, interrupts: Interrupts) -> None:
        self.stack, self.interrupts = stack, interrupts
        self.processes: DagsterProcesses | None = None

    def __enter__(self) -> tuple[DagsterProcesses | None, Dagster]:
        from forge_cli.client import Dagster
        from forge_resources.stack.processes import running

        url = running(self.stack.settings)
        if url is None:
            say("starting the code server, the Dagster UI and the daemon …")
            self.processes = start(self.stack)
            self.interrupts.force = self.processes.kill
            try:
                url = self.processes.wait_ready()
            except BaseException:
                self.processes.stop()
                raise
        self.client = Dagster(url)
        return self.processes, self.client

    def __exit__(self, *_: Any) -> None:
        self.client.close()
        self.interrupts.stopping = True
        if self.processes is not None:
            self.processes.stop()


def start(stack: Stack) -> DagsterProcesses:
    """The processes on the first free port from the wished one on."""
    from forge_resources.stack.processes import DagsterProcesses

    wished = stack.settings.ui_port
    for port in [*range(wished, min(wished + PORTS, 65536)), None] if wished else [None]:
        try:
            return DagsterProcesses(stack, port, kind="up").start()
        except ForgeError as error:
            if error.code != "FORGE-UP-PORT":
                raise
    raise AssertionError("the system always has a free port")


def set_home(name: str) -> None:
    """A home of its own for the demo, unless FORGE_HOME names one."""
    if not os.environ.get("FORGE_HOME"):
        from forge_resources.settings import default_home

        os.environ["FORGE_HOME"] = str(default_home() / name)


def example(home: Path, people: int, years: float) -> Path:
    """The bundled example export, made once for each size."""
    folder = home / "example" / f"{people}-people-{years:g}-years"
    if folder.is_dir():
        return folder
    from examples.generator import generate

    say(f"inventing the exports of {people} people …")
    clock = Clock()
    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        generate(draft, people=people, years=years, seed=SEED)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    say(f"  made in {duration(clock.seconds)}, synthetic")
    return folder


def show(document: dict[str, Any], built: build.Built, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    reports.show_ingest(document["ingest"], False)
    if built.results:
        results.show(built.results, document["population"])
    if not built.planned and not built.failed and document["ingest"]["run"] is None:
        click.echo("everything is fresh")
    for row in built.results:
        if row["state"] == "refused":
            click.echo(f"refused: {row['asset']}: {row['note']}")
    if built.outcome is not None:
        reports.failures(built.outcome.failures)
    url = document["url"]
    click.echo(f"\nDagster UI   {url}\nlineage      {url}/asset-groups\nruns         {url}/runs")
    click.echo(f"home         {document['home']}\ntook         {duration(document['seconds'])}")


def stay(url: str, processes: DagsterProcesses) -> None:
    """Keep the UI up until Ctrl-C or a TERM; either ends it cleanly."""
    say(f"The Dagster UI is up at {url} - press Ctrl-C to stop everything.")
    try:
        while True:
            processes.check_alive()
            time.sleep(0.5)
    except KeyboardInterrupt:
        say("stopping … (Ctrl-C again to force)")
