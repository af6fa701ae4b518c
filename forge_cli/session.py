"""What a command needs around it: servers and a Dagster to talk to, each stopped only by who started it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from forge_cli.output import say

if TYPE_CHECKING:
    from forge_cli.client import Dagster
    from forge_resources.settings import Settings
    from forge_resources.stack import Stack
    from forge_resources.stores import Stores

WAIT_SECONDS = 3600.0  # one run may train that long; then the command says what it waits for and gives up


@contextmanager
def servers(settings: Settings | None = None) -> Iterator[tuple[Stack, Stores]]:
    """The stack of the home, shared with other forge processes, and the stores on it."""
    from forge_resources.settings import load_settings
    from forge_resources.stack import Stack
    from forge_resources.stores import Stores

    before = dict(os.environ)
    with Stack(settings or load_settings()) as stack:
        os.environ.update(stack.environment())
        try:
            stores = Stores(load_settings())
            stores.database.ensure()
            yield stack, stores
        finally:
            # a caller in the same process (a test, a notebook) must not find our servers' addresses later
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def dagster(stack: Stack) -> Iterator[Dagster]:
    """The Dagster of a running ``forge up``, else one started for this command."""
    from forge_cli.client import Dagster
    from forge_resources.stack.processes import DagsterProcesses, running

    url = running(stack.settings)
    if url is not None:
        client = Dagster(url)
        try:
            yield client
        finally:
            client.close()
        return
    say("starting the code server …")
    with DagsterProcesses(stack) as processes:
        client = Dagster(processes.url)
        try:
            yield client
        finally:
            client.close()


def wait_for_others(client: Dagster, since: float | None = None) -> None:
    """Let runs that are at work finish first: they may be making what we would make again.

    ``since`` is when our own Dagster began: an older run has no worker left and is not waited for.
    """
    deadline, told = time.monotonic() + WAIT_SECONDS, False
    while time.monotonic() < deadline:
        others = [run for run in client.active() if since is None or run["created"] >= since]
        if not others:
            return
        if not told:
            many = "s" if len(others) > 1 else ""
            say(f"waiting for {len(others)} active run{many} (automation may be at work) …")
            told = True
        time.sleep(1.0)
