"""The embedded servers: start, share, stop, and recover from whatever killed them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from forge_resources.settings import load_settings
from forge_resources.stack import Stack
from forge_resources.stack.redis import has_fix
from forge_resources.stack.stack import beside
from forge_resources.stack.state import User, Users, began, myself, socket_folder

pytestmark = pytest.mark.usefixtures("bare_environment")

USE = """
import sys, time
from forge_resources.settings import load_settings
from forge_resources.stack import Stack
stack = Stack(load_settings(home=sys.argv[1]), durable=False).start()
print("up", flush=True)
time.sleep(60)
"""


def new(home: Path) -> Stack:
    return Stack(load_settings(home=home), durable=False)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for sockets, unlike pytest's own; with a space and a letter beyond ASCII."""
    path = Path(tempfile.mkdtemp(prefix="forge ü "))
    yield path
    stack = new(path / "home")
    for user in stack.users():
        Users(stack.run).leave(user)
    stack.down()
    shutil.rmtree(path)
    shutil.rmtree(stack.sockets, ignore_errors=True)


def one(stack: Stack) -> int:
    with psycopg.connect(stack.environment()["POSTGRES_URL"]) as connection:
        row = connection.execute("select count(*) from notes").fetchone()
    return row[0] if row else -1


def write(stack: Stack) -> None:
    with psycopg.connect(stack.environment()["POSTGRES_URL"]) as connection:
        connection.execute("create table if not exists notes (text text, v vector(2))")
        connection.execute("insert into notes values ('hunter2', '[1,2]')")


def other_process(home: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", USE, str(home)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def test_data_survives_a_stop_in_a_path_with_spaces(folder: Path) -> None:
    with new(folder / "home") as stack:
        write(stack)
        health = stack.health()
        assert health["postgres"]["ok"]
        assert health["redis"]["ok"]
    assert stack.postgres.pid() is None
    assert stack.redis.pid() is None
    with new(folder / "home") as stack:
        assert one(stack) == 1


def test_nothing_listens_on_tcp_and_nobody_else_may_enter(folder: Path) -> None:
    with new(folder / "home") as stack:
        for pid in (stack.postgres.pid(), stack.redis.pid()):
            assert pid is not None
            assert psutil.Process(pid).net_connections("inet") == []
        for path, mode in ((stack.home, 0o700), (stack.sockets, 0o700), (stack.postgres.sockets, 0o700),
                           (stack.redis.socket, 0o600), (stack.postgres.data, 0o700)):  # fmt: skip
            assert stat.S_IMODE(path.stat().st_mode) == mode, path


def test_the_log_never_holds_a_value(folder: Path) -> None:
    with new(folder / "home") as stack:
        with psycopg.connect(stack.environment()["POSTGRES_URL"], autocommit=True) as connection:
            connection.execute("create table people (name text primary key)")
            connection.execute("insert into people values (%s)", ["hunter2"])
            for statement in ("insert into people values ('hunter2')", "select 'hunter2'::int", "hunter2"):
                with pytest.raises(psycopg.Error):
                    connection.execute(statement)
        assert "hunter2" not in stack.postgres.log.read_text()


def test_redis_runs_no_scripts_where_they_are_unsafe(folder: Path) -> None:
    with new(folder / "home") as stack, redis.Redis.from_url(stack.environment()["REDIS_URL"]) as client:
        assert client.set("a", "1")
        if not has_fix(stack.health()["redis"]["version"]):
            with pytest.raises(redis.RedisError):
                client.eval("return 1", 0)


def test_two_processes_share_and_the_last_stops(folder: Path) -> None:
    other = other_process(folder / "home")
    with new(folder / "home") as stack:
        pid = stack.postgres.pid()
        other.kill()  # without a chance to sign off
        other.wait()
        assert stack.postgres.pid() == pid
        assert stack.users() == [myself()]
    assert stack.postgres.pid() is None


def test_leaving_first_does_not_stop_the_servers_of_the_other(folder: Path) -> None:
    other = other_process(folder / "home")
    stack = new(folder / "home").start()
    assert stack.stop() is False
    assert stack.postgres.pid() is not None
    other.kill()
    other.wait()


def test_two_first_starts_at_once_make_one_server(folder: Path) -> None:
    command = [sys.executable, "-c", USE, str(folder / "home")]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
    stack = new(folder / "home")
    assert len(stack.users()) == 2
    for process in both:
        process.kill()
        process.wait()


def test_a_killed_postgres_recovers_what_was_committed(folder: Path) -> None:
    with Stack(load_settings(home=folder / "home")) as stack:
        write(stack)
        pid = stack.postgres.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        with new(folder / "home") as again:
            assert one(again) == 1
            assert again.postgres.pid() not in (None, pid)


def test_a_killed_redis_is_started_again(folder: Path) -> None:
    with new(folder / "home") as stack:
        pid = stack.redis.pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)
        assert not stack.health()["redis"]["ok"]
        stack.start()
        assert stack.health()["redis"]["ok"]


def test_a_stale_pid_file_whose_pid_is_somebody_else_is_not_believed(folder: Path) -> None:
    with new(folder / "home") as stack:
        write(stack)
    lines = [str(os.getpid()), str(stack.postgres.data), "1", "5432", "/tmp", "", " 1 1", "ready"]
    (stack.postgres.data / "postmaster.pid").write_text("\n".join(lines) + "\n")
    stack.redis.state.write_text(json.dumps({"pid": os.getpid(), "began": "long ago"}))
    with new(folder / "home") as stack:
        assert one(stack) == 1
        assert stack.health()["redis"]["ok"]


def test_a_state_file_cut_off_half_way_is_not_fatal(folder: Path) -> None:
    with new(folder / "home") as stack:
        (stack.run / "users.json").write_text('[{"pid": 1')
        assert stack.users() == []


def test_a_reused_pid_is_not_the_process_that_wrote_it_down() -> None:
    assert User(os.getpid(), began(os.getpid()) or "").alive()
    assert not User(os.getpid(), "another boot:1").alive()
    assert began(2**22 + 1) is None


def test_a_detached_start_stays_until_down(folder: Path) -> None:
    new(folder / "home").start(detached=True)
    with new(folder / "home") as stack:
        pass
    assert stack.postgres.pid() is not None
    assert new(folder / "home").down() is True
    assert stack.postgres.pid() is None


def test_its_own_urls_in_the_environment_are_still_its_own(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in new(folder / "home").environment().items():
        monkeypatch.setenv(name, value)  # what `eval "$(forge env)"` leaves in a shell
    with Stack(load_settings(), durable=False) as stack:
        assert stack.health()["postgres"]["kind"] == "embedded"


def test_a_server_of_the_users_is_used_and_not_stopped(
    stack: Stack, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Stack(load_settings()) as mine:
        assert not mine.embeds_postgres
        health = mine.health()
        assert (health["postgres"]["kind"], health["postgres"]["ok"]) == ("external", True)
        assert (health["redis"]["kind"], health["redis"]["ok"]) == ("external", True)
    assert stack.health()["postgres"]["ok"]


def test_databases_beside_the_users_own() -> None:
    assert beside("postgresql://u:p@h:1/mine?x=1", "mlflow") == "postgresql://u:p@h:1/mine_mlflow?x=1"
    assert beside("postgresql://u@/mine?host=/a", "dagster") == "postgresql://u@/mine_dagster?host=/a"


def test_a_long_home_gets_a_short_socket_folder(tmp_path: Path) -> None:
    assert socket_folder(Path("/a/b")) == Path("/a/b/run")
    assert len(str(socket_folder(tmp_path / ("x" * 120)))) < 80


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ("6.2.14", False),
        ("6.2.20", True),
        ("7.0.15", False),
        ("7.2.11", True),
        ("8.2.1", False),
        ("8.4.0", True),
    ],
)
def test_redis_floors_of_the_known_hole(version: str, safe: bool) -> None:
    assert has_fix(version) is safe


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_as_root_the_server_is_not_root_and_holds_one_capability_at_most(folder: Path) -> None:
    folder.chmod(0o700)  # its account may not enter by the modes alone
    with new(folder / "home") as stack:
        pid = stack.postgres.pid()
        assert pid is not None
        assert psutil.Process(pid).uids().real != 0
        status = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{pid}/status").read_text().splitlines()
            if ":\t" in line
        )
        assert int(status["CapEff"], 16) in (0, 1 << 2)  # CAP_DAC_READ_SEARCH


def test_databases_are_made_once(folder: Path) -> None:
    with new(folder / "home") as stack:
        stack.postgres.ensure_databases(["forge", "dagster"])
        with stack.postgres.connect() as connection:
            names = [row[0] for row in connection.execute("select datname from pg_database")]
    assert sorted(set(names) & {"forge", "dagster", "mlflow"}) == ["dagster", "forge", "mlflow"]
