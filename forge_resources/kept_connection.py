"""The database over one connection that stays open, for what is asked many times a second.

Opening a connection costs some milliseconds, a question over an open one a tenth. The connection is one thread's at a
time, and is opened again when the server has closed it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from forge_resources.postgres import Database, failed, unreachable

if TYPE_CHECKING:
    import psycopg

IDLE_S = 1.0  # after which it is asked whether it still lives


class KeptConnection(Database):
    """A :class:`Database` whose transactions follow one another on one connection."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._lock = threading.RLock()
        self._connection: psycopg.Connection | None = None
        self._used = 0.0

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection]:
        import psycopg

        with self._lock:
            if not self._lives():
                try:
                    self._connection = psycopg.connect(self.url, options="-c timezone=UTC", autocommit=True)
                except psycopg.OperationalError:
                    raise unreachable() from None
            assert self._connection is not None
            try:
                with self._connection.transaction():
                    yield self._connection
            except psycopg.Error as error:
                raise failed(type(error).__name__, error.sqlstate) from None
            finally:
                self._used = time.monotonic()

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _lives(self) -> bool:
        import psycopg

        if self._connection is None or self._connection.closed:
            return False
        if time.monotonic() - self._used < IDLE_S:
            return True
        try:
            self._connection.execute("select 1")
        except psycopg.Error:
            self.close()
            return False
        return True
