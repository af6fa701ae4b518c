"""A connection to Redis by URL that sends commands as ready bytes, many at a time, and reads their answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from forge_core.errors import ForgeError
from forge_resources.feature_store.layout import command

PER_EXCHANGE = 1_000  # commands that are on their way before answers are read
SCAN_COUNT = 5_000


class Wire:
    """``timeout_s`` is for connecting and for each answer. Raises ``redis.RedisError`` when Redis does not answer."""

    def __init__(self, url: str, timeout_s: float = 2.0) -> None:
        self.url, self.timeout_s = url, timeout_s

    @cached_property
    def _pool(self) -> Any:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        return redis.ConnectionPool.from_url(
            self.url,
            socket_timeout=self.timeout_s,
            socket_connect_timeout=self.timeout_s,
            decode_responses=False,
            retry=Retry(NoBackoff(), 1),  # a connection that a restarted server closed is opened again
        )

    def exchange(self, commands: Sequence[bytes]) -> list[Any]:
        """The answers to ``commands``, in their order; an error among them is raised."""
        answers: list[Any] = []
        connection = self._pool.get_connection()
        try:
            for start in range(0, len(commands), PER_EXCHANGE):
                part = commands[start : start + PER_EXCHANGE]
                connection.send_packed_command([b"".join(part)])
                answers += [connection.read_response() for _ in part]
        except BaseException:
            connection.disconnect()  # answers that nobody has read must not be the next caller's
            raise
        finally:
            self._pool.release(connection)
        return answers

    def keys(self, prefix: bytes) -> Iterator[bytes]:
        """Keys that begin with ``prefix``, each once."""
        pattern = b"".join(b"\\" + bytes([b]) if b in b"*?[]^\\-" else bytes([b]) for b in prefix) + b"*"
        cursor, seen = b"0", set()
        while True:
            ((cursor, found),) = self.exchange(
                [command("SCAN", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT)]
            )
            for one in found:
                if one not in seen:
                    seen.add(one)
                    yield one
            if int(cursor) == 0:
                return


@contextmanager
def guarded() -> Iterator[None]:
    """What needs Redis and cannot do without: says in our words that it does not answer."""
    import redis

    try:
        yield
    except (redis.RedisError, OSError):
        raise ForgeError(
            "FORGE-REDIS-DOWN",
            "Redis does not answer.",
            "The stack is not running or REDIS_URL points elsewhere.",
            "Start it with `forge up`, or look at `forge doctor`.",
        ) from None
