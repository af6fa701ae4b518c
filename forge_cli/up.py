"""``forge up``: the servers, the Dagster UI and the daemon, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import time
from types import FrameType
from typing import Any

import click

from forge_cli.output import json_option, print_json, say


@click.command(name="up")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the UI on loopback; 0 takes a free one.")
@json_option
def command(port: int | None, as_json: bool) -> int:
    """Start the servers, the Dagster UI and the daemon. Ctrl-C stops all of it, a second one at once."""
    from forge_resources.settings import load_settings
    from forge_resources.stack import Stack
    from forge_resources.stack.processes import DagsterProcesses, running

    settings = load_settings()
    if url := running(settings):
        _report({"ui": url, "home": str(settings.home), "already_running": True}, as_json)
        return 0
    interrupts = Interrupts()
    with interrupts, Stack(settings) as stack:
        chosen = port if port is not None else _free(settings.ui_port)
        dagster = DagsterProcesses(stack, chosen, kind="up")
        interrupts.force = dagster.kill
        try:
            dagster.start()
            say("Starting the Dagster UI ...")
            dagster.wait_ready()
            _report({"ui": dagster.url, "home": str(settings.home), "already_running": False}, as_json)
            while True:
                time.sleep(1.0)
                dagster.check_alive()
        except KeyboardInterrupt:
            say("Stopping ... (Ctrl-C again to force)")
        finally:
            interrupts.stopping = True
            dagster.stop()
    return 130 if interrupts.by == signal.SIGINT else 0


class Interrupts:
    """The first Ctrl-C or SIGTERM is a KeyboardInterrupt; one during the stop kills what is left."""

    def __init__(self) -> None:
        self.stopping = False
        self.by: int | None = None
        self.force: Any = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            self._before[sign] = signal.signal(sign, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for sign, handler in self._before.items():
            signal.signal(sign, handler)

    def _handle(self, sign: int, frame: FrameType | None) -> None:
        if not self.stopping:
            self.stopping, self.by = True, sign
            raise KeyboardInterrupt
        if self.force is not None:
            for process in list(self.force.__self__.processes.values()):
                _kill_group(process.pid)


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _free(port: int) -> int:
    """The wanted port, or, when somebody has it, any free one."""
    from forge_resources.webserver import listen

    try:
        listen(port).close()
    except OSError:
        say(f"Port {port} is not free; taking another.")
        return 0
    return port


def _report(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(facts)
        return
    click.echo(f"Dagster UI  {facts['ui']}" + ("  (already running)" if facts["already_running"] else ""))
    click.echo(f"Home        {facts['home']}")
