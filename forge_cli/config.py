"""``forge config``: each setting, its value (passwords masked) and where it comes from."""

from __future__ import annotations

import click

from forge_cli.output import json_option, print_json, table


@click.command(name="config")
@json_option
def command(as_json: bool) -> None:
    """Each setting and where it comes from: environment, forge.yaml or default."""
    from forge_resources.settings import load_settings

    settings = load_settings()
    values, origins = settings.shown(), settings.origins()
    if as_json:
        print_json({name: {"value": values[name], "origin": origins[name]} for name in values})
        return
    shown = {name: "(embedded)" if value is None else value for name, value in values.items()}
    table(["setting", "origin", "value"], [[name, origins[name], shown[name]] for name in shown])
