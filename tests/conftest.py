"""Fixtures shared by all tests: real servers, never mocks.

* ``stack`` (session): an embedded PostgreSQL and Redis in a temporary FORGE_HOME; ``os.environ`` names
  them, so that ``load_settings()`` finds them anywhere, in child processes too. Started by the first test
  that asks.
* ``home`` (function): a fresh, empty FORGE_HOME with a fresh database (pgvector created) and an empty
  Redis, on the servers of ``stack``. The path is returned; POSTGRES_URL, REDIS_URL, FORGE_HOME,
  DAGSTER_HOME are set; FORGE_PRESET is quick. Some 0.1 s.
* ``mlflow_store`` (function): a fresh MLflow store beside ``home``; MLFLOW_TRACKING_URI and
  MLFLOW_ARTIFACTS are set.
* ``bare_environment`` (function): no variable names a server, so that a test may start a stack of its own.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge_resources.settings import load_settings
from forge_resources.stack import Stack
from forge_resources.stack.stack import TELEMETRY_OFF

SERVERS = (
    "POSTGRES_URL", "DATABASE_URL", "DAGSTER_POSTGRES_URL", "REDIS_URL", "REDIS_HOST", "MLFLOW_TRACKING_URI",
    "MLRUN_DBPATH", "MLFLOW_ARTIFACTS", "DAGSTER_HOME", "FORGE_HOME", "FORGE_COMPUTE_LOGS",
)  # fmt: skip

os.environ.update(TELEMETRY_OFF)
if "PYTEST_XDIST_WORKER" in os.environ:  # before torch and BLAS are loaded: workers share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    folder = Path(tempfile.mkdtemp(prefix="forge-tests-"))
    saved = {name: os.environ.pop(name, None) for name in SERVERS}
    servers = Stack(load_settings(home=folder / "home"), durable=False)
    try:
        servers.start()
        os.environ.update(servers.environment())
        yield servers
    finally:
        for name, value in saved.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        servers.stop()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(servers.sockets, ignore_errors=True)


@pytest.fixture(scope="session")
def _encoders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Which backend is the fastest is measured once for all homes of a run."""
    return tmp_path_factory.mktemp("encoders")


@pytest.fixture
def home(stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _encoders: Path) -> Iterator[Path]:
    database = f"t_{uuid.uuid4().hex[:12]}"
    stack.postgres.ensure_databases([database])
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    (folder / "encoders").symlink_to(_encoders, target_is_directory=True)
    for name, value in {
        "FORGE_HOME": str(folder),
        "DAGSTER_HOME": str(folder / "dagster"),
        "POSTGRES_URL": stack.postgres.url(database),
        "DAGSTER_POSTGRES_URL": stack.postgres.url("dagster"),
        "MLFLOW_TRACKING_URI": stack.postgres.url("mlflow"),
        "MLFLOW_ARTIFACTS": str(folder / "mlflow-artifacts"),
        "FORGE_COMPUTE_LOGS": str(folder / "logs" / "compute"),
        "FORGE_PRESET": "quick",  # nobody waits for a full search in a test
        "REDIS_URL": stack.redis.url,
    }.items():
        monkeypatch.setenv(name, value)
    _flush_redis(stack)
    yield folder
    _drop(stack, database)


@pytest.fixture(scope="session")
def _mlflow_template(stack: Stack) -> str:
    """A database with MLflow's tables: making them takes seconds, copying them does not."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    stack.postgres.ensure_databases(["mlflow_template"])
    store = SqlAlchemyStore(stack.postgres.url("mlflow_template"), str(stack.settings.mlflow_artifacts))
    store.engine.dispose()  # a template must have no connection
    return "mlflow_template"


@pytest.fixture
def mlflow_store(
    home: Path, stack: Stack, _mlflow_template: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    import mlflow

    database = f"m_{uuid.uuid4().hex[:12]}"
    with stack.postgres.connect() as connection:
        connection.execute(f'create database "{database}" template "{_mlflow_template}"')
    url = stack.postgres.url(database)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
    mlflow.set_tracking_uri(url)
    yield url
    mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
    _drop(stack, database)


@pytest.fixture
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*SERVERS, *(name for name in os.environ if name.startswith("FORGE_"))]:
        monkeypatch.delenv(name, raising=False)


def _flush_redis(stack: Stack) -> None:
    import redis

    with redis.Redis.from_url(stack.redis.url) as client:
        client.flushall()


def _drop(stack: Stack, database: str) -> None:
    with stack.postgres.connect() as connection:
        connection.execute(f'drop database if exists "{database}" with (force)')
