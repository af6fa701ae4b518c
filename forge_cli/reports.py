"""What the commands print: tables for people, one JSON document for programs. Made from the stores alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from forge_cli.output import print_json
from forge_cli.progress import duration

if TYPE_CHECKING:
    from forge_cli.client import Outcome
    from forge_cli.inside import Look
    from forge_cli.registering import Registered
    from forge_resources.stores import Stores

NARROW = 60  # columns of a terminal too narrow for a table: one block per row then
DETAILED = 5  # exports of a dry run that are shown in full
SYNTHETIC = "synthetic data: no real person is behind these figures"


def table(head: Sequence[str], rows: Iterable[Sequence[Any]], right: Sequence[int] = ()) -> None:
    """A plain table, as wide as the terminal; numbers stand right where ``right`` names their column."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    if shutil.get_terminal_size((200, 24)).columns < NARROW:
        for row in rows:
            click.echo(
                "\n".join(f"{name}: {text(cell)}" for name, cell in zip(head, row, strict=True)) + "\n"
            )
        return
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(head):
        shown.add_column(name, justify="right" if number in right else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(text(cell) for cell in row))
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        # a file or a pipe has no width: lines must not be folded at 80 columns there
        console = Console(highlight=False, markup=False, width=200)
    with console.capture() as drawn:
        console.print(shown)
    click.echo(drawn.get(), nl=False)  # rich itself answers a closed pipe with exit 1, and nothing failed


def text(cell: Any) -> str:
    if cell is None:
        return "–"
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}"
    return str(cell)


def show_looks(looks: Sequence[Look], as_json: bool) -> None:
    if as_json:
        print_json({"dry_run": True, "exports": [one.as_dict() for one in looks]})
        return
    for one in looks:
        if one.error is not None:
            click.echo(f"{one.path.name}\n  refused: {one.error}\n")
        elif len(looks) <= DETAILED:
            _show_look(one)
    read = [one for one in looks if one.error is None]
    if len(looks) > DETAILED:
        rows = [
            (one.path.name, one.survey["population"], kind, count, sum(one.quarantined.values()))
            for one in read
            for kind, count in sorted(one.rows.items()) or [("no rows", 0)]
        ]
        table(("export", "population", "kind", "rows", "quarantined"), rows, right=(3, 4))
    click.echo("Nothing was written (--dry-run).")


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.0f} kB"


def _show_look(one: Look) -> None:
    """One export in full: rows and days per source and kind, files by outcome, records that were set aside."""
    click.echo(f"{one.path.name}: {_size(one.bytes)} to read, {one.survey['population']}")
    rows = [
        (
            source,
            kind,
            n.rows,
            _size(n.bytes),
            n.first and n.first.date(),
            n.last and n.last.date(),
        )
        for (source, kind), n in sorted(one.content.items())
    ]
    table(
        ("source", "kind", "rows", "in files of", "first day", "last day"),
        rows or [("–", "no rows", 0, None, None, None)],
        right=(2, 3),
    )
    for (status, reason), count in sorted(one.outcomes().items()):
        click.echo(f"  {status}: {count:,} file{'s' if count != 1 else ''}{', ' + reason if reason else ''}")
    if one.report is not None:
        for word, what in (
            ("set aside", "quarantined"),
            ("no event", "passed_over"),
            ("put right", "mended"),
        ):
            for reason, count in one.report.total(what).most_common():
                click.echo(f"  {word}: {count:,} record{'s' if count != 1 else ''}, {reason}")
    click.echo("")


def of_ingest(
    stores: Stores, registered: Registered, ran: Sequence[str], outcome: Outcome | None, notes: Sequence[str]
) -> dict[str, Any]:
    """The exports of this ingest with rows and new rows per kind; what was there before has no new rows."""
    partitions = [export.partition for export in registered.unique]
    exports: dict[str, dict[str, Any]] = {}
    for partition, status, code, reason in stores.database.rows(
        "select partition, status, code, reason from forge.exports where partition = any(%s)"
        " order by registered_at, 1",
        (partitions,),
    ):
        here = status == "published" and partition not in ran
        exports[partition] = {
            "partition": partition,
            "status": "already here" if here else status,
            "code": code,
            "reason": reason,
            "kinds": {},
        }
    for partition, kind, rows, new_rows in stores.database.rows(
        "select partition, kind, rows, new_rows from forge.publications"
        " where partition = any(%s) and rows > 0 order by 1, 2",
        (partitions,),
    ):
        exports[partition]["kinds"][kind] = {"rows": rows, "new_rows": new_rows if partition in ran else 0}
    for partition, rows, files in stores.database.rows(
        "select partition, sum(quarantined), count(*) filter (where status = 'quarantined')"
        " from forge.members where partition = any(%s) group by 1",
        (partitions,),
    ):
        exports[partition] |= {"quarantined": int(rows or 0), "quarantined_files": files}
    kinds = [kind for export in exports.values() for kind in export["kinds"].values()]
    return {
        "population": stores.exports.population(),
        "exports": list(exports.values()),
        "rows": sum(kind["rows"] for kind in kinds),
        "new_rows": sum(kind["new_rows"] for kind in kinds),
        "quarantined": sum(export.get("quarantined", 0) for export in exports.values()),
        "sets": sets(stores, partitions),
        "passed_over": [{"path": str(p), **e.as_dict()} for p, e in registered.errors.items()],
        "notes": list(notes),
        "run": outcome.as_dict() if outcome else None,
    }


def sets(stores: Stores, partitions: Sequence[str]) -> list[dict[str, Any]]:
    """Sets that some of these exports are parts of, and what is missing of them."""
    return [
        {"set": found.name, "parts": sorted(found.parts.values()), "missing": found.missing}
        for found in stores.exports.sets()
        if found.parts.keys() & set(partitions)
    ]


def show_sets(found: Sequence[Mapping[str, Any]]) -> None:
    for one in found:
        if one["missing"]:
            numbers = ", ".join(map(str, one["missing"]))
            click.echo(
                f"{one['set']}: part {numbers} missing; ingest it later, and only what is new is added."
            )


def show_ingest(report: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
    exports = report["exports"]
    if len(exports) <= 10:
        rows = [
            (e["partition"], kind, n["rows"], n["new_rows"], e.get("quarantined"), e["status"])
            for e in exports
            for kind, n in (e["kinds"] or {"–": {"rows": 0, "new_rows": 0}}).items()
        ]
        table(("export", "kind", "rows", "new", "quarantined", "status"), rows, right=(2, 3, 4))
    else:
        table(("exports", "kind", "rows", "new"), _by_kind(exports), right=(0, 2, 3))
    for export in exports:
        if export["status"] == "refused":
            click.echo(f"refused: {export['partition']}: [{export['code']}] {export['reason']}")
    show_sets(report["sets"])
    for note in report["notes"]:
        click.echo(note)
    counts = f"{len(exports)} export{'s' if len(exports) != 1 else ''}"
    if report["run"] is None:
        click.echo(f"{counts}, 0 new rows: all of it was here already.")
    else:
        took = duration(report["run"]["seconds"])
        click.echo(f"{counts}, {report['rows']:,} rows, {report['new_rows']:,} new rows in {took}.")
        failures(report["run"]["failures"])
    if report["population"] == "synthetic":
        click.echo(SYNTHETIC)


def _by_kind(exports: Sequence[Mapping[str, Any]]) -> list[tuple[int, str, int, int]]:
    sums: dict[str, list[int]] = {}
    for export in exports:
        for kind, numbers in export["kinds"].items():
            found = sums.setdefault(kind, [0, 0, 0])
            found[0] += 1
            found[1] += numbers["rows"]
            found[2] += numbers["new_rows"]
    return [(n, kind, rows, new) for kind, (n, rows, new) in sorted(sums.items())]


def failures(found: Sequence[Mapping[str, str]]) -> None:
    """Failed steps on stderr, each with the words of its error."""
    for failure in found:
        click.echo(f"failed: {failure['step']}: {failure['message']}", err=True)
