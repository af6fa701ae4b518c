"""``forge env`` and ``forge down``: the servers alone, left up for a Dagster that somebody starts by hand."""

from __future__ import annotations

import shlex

import click

from forge_cli.output import json_option, print_json, say


@click.command(name="env")
@json_option
def command(as_json: bool) -> None:
    """Start the servers if they are not up, leave them up, print what `dagster dev` needs.

    Use it as: eval "$(forge env)"
    """
    from forge_resources.settings import load_settings
    from forge_resources.stack import Stack
    from forge_resources.stack.processes import write_instance

    stack = Stack(load_settings()).start(detached=True)
    write_instance(stack)
    environment = stack.environment()
    if as_json:
        print_json(environment)
        return
    for name, value in environment.items():
        click.echo(f"export {name}={shlex.quote(value)}")


@click.command(name="down")
@json_option
def down(as_json: bool) -> None:
    """Stop the servers that `forge env` left up."""
    from forge_resources.settings import load_settings
    from forge_resources.stack import Stack

    stack = Stack(load_settings())
    stopped = stack.down()
    users = [user.pid for user in stack.users()]
    if as_json:
        print_json({"stopped": stopped, "used_by": users})
        return
    say(
        "Stopped." if stopped else f"Still used by forge process {', '.join(map(str, users))}; it stops them."
    )
