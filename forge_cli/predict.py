"""``forge predict``: one answer of a champion with why and from which data, or what is like an item."""

from __future__ import annotations

from typing import Any

import click

from forge_cli import reports
from forge_cli.output import json_option, print_json

RECOMMENDER = "recommender"  # its answers are lists of items


@click.command(name="predict")
@click.argument("family")
@click.option("--subject", help="Whom it is for, as named at ingest.")
@click.option("--text", help="Instead: what nlp says of this text, which is not kept.")
@click.option("--like", "item", help="Instead: the items nearest to this one, such as youtube:….")
@click.option(
    "--k", "-k", default=10, show_default=True, type=click.IntRange(1, 1000), help="How many items."
)
@click.option(
    "--diversity",
    default=0.0,
    type=click.FloatRange(0, 1),
    help="How much an item loses for being like one already on the list (0 to 1).",
)
@click.option(
    "--recency",
    default=0.0,
    type=click.FloatRange(0, 1),
    help="How much the last ten events count beyond their place in the history (0 to 1).",
)
@json_option
def command(
    family: str,
    subject: str | None,
    text: str | None,
    item: str | None,
    k: int,
    diversity: float,
    recency: float,
    as_json: bool,
) -> None:
    """Ask the champion of FAMILY (recommender, nlp, behavior, anomaly or profile).

    --like, -k, --diversity and --recency are for the recommender, --text is for nlp.
    """
    if sum(one is not None for one in (subject, text, item)) != 1:
        raise click.UsageError("Name one of --subject, --text and --like.")
    from forge_cli.session import servers
    from forge_resources import answers, statements

    with servers() as (_, stores):
        if text is not None:
            answer = statements.of_text(stores.settings, family, text)
        elif subject is not None and family != RECOMMENDER:
            answer = statements.statements(stores.settings, family, subject)
        elif item is not None:
            answer = answers.like(stores.settings, family, item, k)
        else:
            answer = answers.predict(stores.settings, family, str(subject), k, diversity, recency)
    if as_json:
        print_json(answer)
    elif "statements" in answer:
        show_statements(answer)
    elif item is not None:
        show_like(answer)
    else:
        show(answer)


def show_statements(answer: dict[str, Any]) -> None:
    """A line for each statement: what, how sure, why, and from what."""
    rows = [
        (
            said["task"].replace("_", " "),
            said["what"],
            _figure(said),
            "; ".join(reason["reason"] for reason in said["because"]),
            f"{said['events']:,} of {', '.join(said['sources'])}" if said["sources"] else "",
        )
        for said in answer["statements"]
    ]
    reports.table(("", "statement", "figure", "because", "events"), rows, right=(2,))
    models = ", ".join(
        f"{task} v{one['version']} ({one['candidate']})" for task, one in answer["models"].items()
    )
    click.echo(f"{answer['family']}: {models}")
    if answer["note"]:
        click.echo(answer["note"])
    if answer.get("population") == "synthetic":
        click.echo(reports.SYNTHETIC)


def _figure(said: dict[str, Any]) -> str:
    if said["value"] is None:
        return ""
    value = f"{said['value']:.3g}"
    return value if said["low"] is None else f"{value} [{said['low']:.3g}, {said['high']:.3g}]"


def show_like(answer: dict[str, Any]) -> None:
    rows = [(n, i["title"], f"{i['similarity']:.4f}") for n, i in enumerate(answer["items"], start=1)]
    reports.table(("", f"like {answer['title']}", "cosine"), rows, right=(0, 2))
    if answer.get("population") == "synthetic":
        click.echo(reports.SYNTHETIC)


def show(answer: dict[str, Any]) -> None:
    rows = [
        (
            number,
            item["title"],
            f"{item['score']:.4f}",
            "; ".join(reason["title"] for reason in item["reasons"]),
        )
        for number, item in enumerate(answer["items"], start=1)
    ]
    reports.table(("", "item", "score", "because of"), rows, right=(0, 2))
    source = answer["from"]
    click.echo(
        f"{answer['family']} v{answer['model_version']} ({answer['candidate']}),"
        f" from {source['events']:,} events of {', '.join(source['sources'])}"
    )
    for words in (answer.get("note"), answer.get("reasons_mean")):
        if words:
            click.echo(words)
    if answer.get("population") == "synthetic":
        click.echo(reports.SYNTHETIC)
