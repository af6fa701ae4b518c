"""The cache in Redis: answers that are dear to make and stand for an hour. Without Redis all works, only slower.

Four kinds: "feature" (online reads, which the feature store counts here), "prediction" (answers of champions), "model"
(where a champion's artifact is) and "intermediate" (vectors of queries). Never pickle: a value is JSON, bytes or a
numeric array.

A key names nothing: subject and parts are keyed hashes. A value carries the version it was made of and a keyed
checksum over key, version and content; one of another version is stale, one that does not verify is poisoned, and
both are made anew. Whoever can write into Redis but has not the home's secret can take answers away, not forge them.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

KINDS = ("feature", "prediction", "model", "intermediate")
COUNTS = ("hits", "misses", "stale", "poisoned", "too_large", "unavailable")
MAX_BYTES = 8_000_000  # of one value: an answer, not a data set; the embedded Redis has 256 MB in all
TIMEOUT_S = 0.25  # an answer that takes longer is made sooner than fetched
REST_S = 5.0  # after Redis did not answer it is left alone for this long
MAKING_S = 30.0  # somebody else who makes the same value is believed for at most this long
WAIT_S, LOOK_S = 2.0, 0.01  # how long, and how often, one waits for them
MAKING = b":making"  # ends the key of the mark that somebody makes a value
MISSING: Any = object()

_MARK, _DIGEST = b"F1", 16
_HEAD = len(_MARK) + 2 * _DIGEST + 1
log = logging.getLogger(__name__)


class Cache:
    """``ttl_s`` of 0 switches it off. ``secret`` and ``namespace`` are of one home."""

    def __init__(
        self,
        redis_url: str | None,
        ttl_s: int = 3600,
        secret: bytes = b"",
        namespace: str = "forge",
        timeout_s: float = TIMEOUT_S,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.url, self.ttl_s, self.timeout_s, self.max_bytes = redis_url, ttl_s, timeout_s, max_bytes
        self._secret, self._space = secret[:64], namespace
        self._lock = threading.Lock()
        self._pending: dict[str, int] = {}
        self._silent_until, self._said = 0.0, False

    @property
    def on(self) -> bool:
        return bool(self.url) and self.ttl_s > 0

    def get_or(
        self,
        kind: str,
        key_parts: Sequence[Any],
        make: Callable[[], Any],
        *,
        version: Any = "",
        subject: str | None = None,
        ttl_s: int | None = None,
    ) -> Any:
        """The value kept for ``key_parts`` under ``version``, else what ``make()`` gives, which is then kept.

        ``key_parts`` and ``version`` are anything that JSON can write; all that the value depends on and that can
        change belongs into ``version``. ``subject`` (a pseudonym) marks a personal answer, which :meth:`erase`
        finds. The value is bytes, an array without objects, or JSON, and comes back as JSON would give it.
        """
        if not self.on:
            return make()
        key = self._key(kind, key_parts, subject)
        value = self._read(kind, key, version)
        if value is not MISSING:
            return value
        with self._maker(key) as mine:
            # whoever was faster may have kept it since
            value = self._look(key, version) if mine else self._await(key, version)
            if value is not MISSING:
                return value
            encoded = encode(make())
            self._write(kind, key, version, encoded, ttl_s or self.ttl_s)
        return decode(encoded)

    def drop(self, kind: str, key_parts: Sequence[Any] | None = None, subject: str | None = None) -> int:
        """Forget one value, or all of a kind; returns how many there were."""
        if key_parts is not None:
            key = self._key(kind, key_parts, subject)
            return self._do(lambda redis: redis.unlink(key), 0)
        return self._forget(self._pattern(kind, "*"))

    def clear(self) -> int:
        """Forget everything, the counts too; returns how many values there were."""
        self._do(lambda redis: redis.delete(self._counts), 0)
        return self._forget(self._pattern("*", "*"))

    def find(self, subject: str) -> dict[str, int]:
        """Values about a subject (pseudonym) by kind: ``{"cache/prediction": 1}``."""
        found: dict[str, int] = {}
        for key in self._keys(self._pattern("*", self._who(subject))):
            place = f"cache/{key[len(self._space) + 7 :].split(b':')[0].decode()}"
            found[place] = found.get(place, 0) + 1
        return found

    def erase(self, subject: str) -> dict[str, int]:
        """Forget what :meth:`find` finds; raises ``ForgeError`` when Redis cannot be asked."""
        from forge_core.errors import ForgeError

        found = self.find(subject)
        self._forget(self._pattern("*", self._who(subject)))
        if self.on and self._resting:
            raise ForgeError(
                "FORGE-REDIS-DOWN",
                "Redis does not answer, so its answers about the subject are not erased.",
                f"They end by themselves within {self.ttl_s} s.",
                "Start it with `forge up` and erase again.",
            )
        return found

    def count(self, kind: str, **counts: int) -> None:
        """Add to the counts of a kind, of ``COUNTS``; kept for later while Redis is away."""
        with self._lock:
            for name, number in counts.items():
                if number:
                    label = f"{kind}:{name}"
                    self._pending[label] = self._pending.get(label, 0) + number
            pending, self._pending = self._pending, {}
        if not pending:
            return

        def add(redis: Any) -> bool:
            with redis.pipeline(transaction=False) as pipe:
                for label, number in pending.items():
                    pipe.hincrby(self._counts, label, number)
                pipe.execute()
            return True

        if not self._do(add, False):
            with self._lock:
                for label, number in pending.items():
                    self._pending[label] = self._pending.get(label, 0) + number

    def statistics(self) -> dict[str, dict[str, Any]]:
        """For each kind: hits, misses, hit_rate (None before the first), stale, poisoned, too_large, unavailable.

        Stale, poisoned and unavailable ones are among the misses. Counted over all processes since the counts were
        cleared or Redis was emptied.
        """
        stored = self._do(lambda redis: redis.hgetall(self._counts), {})
        told = {label.decode(): int(number) for label, number in stored.items()}
        for label, number in list(self._pending.items()):
            told[label] = told.get(label, 0) + number
        answer: dict[str, dict[str, Any]] = {}
        for kind in KINDS:
            counts: dict[str, Any] = {name: told.get(f"{kind}:{name}", 0) for name in COUNTS}
            asked = counts["hits"] + counts["misses"]
            answer[kind] = counts | {"hit_rate": round(counts["hits"] / asked, 4) if asked else None}
        return answer

    # --- keys

    @property
    def _counts(self) -> str:
        return f"{self._space}:cache-counts"

    def _hash(self, *parts: bytes) -> bytes:
        return hashlib.blake2b(b"\x1f".join(parts), key=self._secret, digest_size=_DIGEST).digest()

    def _who(self, subject: str | None) -> str:
        return self._hash(b"subject", subject.encode()).hex() if subject is not None else "-"

    def _key(self, kind: str, parts: Sequence[Any], subject: str | None) -> bytes:
        if kind not in KINDS:
            raise ValueError(kind)
        digest = self._hash(b"key", json.dumps(list(parts), sort_keys=True).encode()).hex()
        return f"{self._space}:cache:{kind}:{self._who(subject)}:{digest}".encode()

    def _pattern(self, kind: str, who: str) -> str:
        return f"{self._space}:cache:{kind}:{who}:*"

    def _keys(self, pattern: str) -> list[bytes]:
        found = self._do(lambda redis: set(redis.scan_iter(pattern, count=5_000)), set())
        return [key for key in found if not key.endswith(MAKING)]

    def _forget(self, pattern: str) -> int:
        keys = self._keys(pattern)
        return self._do(lambda redis: redis.unlink(*keys), 0) if keys else 0

    # --- values

    def _read(self, kind: str, key: bytes, version: Any) -> Any:
        """The value, or MISSING; counted."""
        data = self._do(lambda redis: redis.get(key), MISSING)
        value, why = self._opened(key, version, data)
        if value is not MISSING:
            self.count(kind, hits=1)
        else:
            self.count(kind, misses=1, **({why: 1} if why else {}))
        return value

    def _opened(self, key: bytes, version: Any, data: Any) -> tuple[Any, str | None]:
        """(value, None), or (MISSING, why)."""
        if data is MISSING:
            return MISSING, "unavailable"
        if data is None:
            return MISSING, None
        stamp, tag, content = data[2:18], data[18:34], data[34:]
        if (
            len(data) < _HEAD
            or data[:2] != _MARK
            or not hmac.compare_digest(tag, self._tag(key, stamp, content))
        ):
            return MISSING, "poisoned"
        if stamp != self._version(version):
            return MISSING, "stale"
        return decode(content), None

    def _write(self, kind: str, key: bytes, version: Any, content: bytes, ttl_s: int) -> None:
        if len(content) > self.max_bytes:
            self.count(kind, too_large=1)
            return
        stamp = self._version(version)
        data = _MARK + stamp + self._tag(key, stamp, content) + content
        self._do(lambda redis: redis.set(key, data, ex=ttl_s), None)

    def _version(self, version: Any) -> bytes:
        return self._hash(b"version", json.dumps(version, sort_keys=True).encode())

    def _tag(self, key: bytes, stamp: bytes, content: bytes) -> bytes:
        return self._hash(b"value", key, stamp, content)

    # --- one maker at a time

    @contextmanager
    def _maker(self, key: bytes) -> Iterator[bool]:
        """Whether this caller is the one to make the value; others wait for it, in any process."""
        mark = key + MAKING
        mine = self._do(lambda redis: redis.set(mark, b"1", nx=True, px=int(MAKING_S * 1000)), True)
        began = time.monotonic()
        try:
            yield bool(mine)
        finally:
            if mine and time.monotonic() - began < MAKING_S:
                self._do(lambda redis: redis.delete(mark), 0)

    def _await(self, key: bytes, version: Any) -> Any:
        """What the maker kept, or MISSING when it takes too long, failed, or Redis went away."""
        until, making = time.monotonic() + WAIT_S, 1
        while making and time.monotonic() < until and not self._resting:
            time.sleep(LOOK_S)
            making = self._do(lambda redis: redis.exists(key + MAKING), 0)
            value = self._look(key, version)  # after the question: a maker keeps the value before it ends
            if value is not MISSING:
                return value
        return MISSING

    def _look(self, key: bytes, version: Any) -> Any:
        """The value, or MISSING; not counted."""
        return self._opened(key, version, self._do(lambda redis: redis.get(key), None))[0]

    # --- Redis

    @cached_property
    def _redis(self) -> Any:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        return redis.Redis.from_url(
            str(self.url),
            socket_timeout=self.timeout_s,
            socket_connect_timeout=self.timeout_s,
            retry=Retry(NoBackoff(), 1),  # a connection that a restarted server closed is opened again
        )

    @property
    def _resting(self) -> bool:
        return time.monotonic() < self._silent_until

    def _do(self, what: Callable[[Any], Any], otherwise: Any) -> Any:
        """The answer of Redis, or ``otherwise`` when there is none; said once until it answers again."""
        if not self.url or self._resting:
            return otherwise
        import redis

        try:
            answer = what(self._redis)
        except redis.ResponseError:  # it lives, and refuses: a key of another type, no memory left
            return None if otherwise is MISSING else otherwise
        except (redis.RedisError, OSError, ValueError) as error:
            self._silent_until = time.monotonic() + REST_S
            if not self._said:
                log.warning("Redis does not answer (%s): working without the cache.", type(error).__name__)
                self._said = True
            return otherwise
        self._said = False
        return answer


def encode(value: Any) -> bytes:
    """A kind byte and the content: bytes as they are, an array as npy, anything else as JSON."""
    if isinstance(value, bytes):
        return b"B" + value
    if type(value).__module__ == "numpy" and hasattr(value, "dtype") and hasattr(value, "shape"):
        import numpy as np

        file = io.BytesIO()
        np.lib.format.write_array(file, np.asanyarray(value), allow_pickle=False)
        return b"N" + file.getvalue()
    return b"J" + json.dumps(value).encode()


def decode(content: bytes) -> Any:
    """The value of :func:`encode`."""
    if content[:1] == b"B":
        return content[1:]
    if content[:1] == b"N":
        import numpy as np

        return np.lib.format.read_array(io.BytesIO(content[1:]), allow_pickle=False)
    return json.loads(content[1:])
