"""Each person's recurrent state in Redis: an answer needs no history, and one more event costs what the first did.

A state is kept under family, model version and person. It carries a hash of all that it was made of: the model with
its stamp and catalogue, the person's rows in the features, the consent. Where that is another one now, or the state is
gone or damaged, it is made anew from the history. It also carries the number of the last event told; events told since
move it on. So a state is never wrong, only missing or behind, and nothing needs a lock: whoever writes last wrote a
right one.

As in the cache, keys name nobody, and a value carries a keyed checksum: whoever can write into Redis but has not the
home's secret can take states away, not forge them. Without Redis all works, from the history each time.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from forge_core.errors import ForgeError
from forge_resources.consent import Consent
from forge_resources.online_events import SOURCE, OnlineEvents

if TYPE_CHECKING:
    import numpy as np

TIMEOUT_S, REST_S = 0.25, 5.0  # as the cache: history answers meanwhile
NO_TIME = -(1 << 63)  # forge_models.recommender.interactions.NO_TIME, which imports heavy libraries
_MARK, _DIGEST = b"S1", 16
log = logging.getLogger(__name__)


class Stateful(Protocol):
    """A model whose states are kept; see ``forge_models.recommender.sequential_model``."""

    def begin(self) -> Any: ...
    def follow(self, state: Any, items: Sequence[str], times: np.ndarray) -> Any: ...
    def pack(self, state: Any) -> bytes: ...
    def unpack(self, data: bytes) -> Any: ...


@dataclass(frozen=True)
class Kept:
    """A state and what it is made of. ``made``: "found", "moved on" by events told since, "anew" from the history."""

    state: Any
    made: str
    last: int
    sources: Sequence[str]
    exports: Sequence[str]


class PersonalStates:
    """``secret`` and ``namespace`` are of one home; ``ttl_s``: how long a state stays unasked for, 0 for ever."""

    def __init__(
        self,
        events: OnlineEvents,
        consent: Consent,
        redis_url: str | None,
        secret: bytes = b"",
        namespace: str = "forge",
        ttl_s: int = 0,
    ) -> None:
        self.events, self.consent, self.url, self.ttl_s = events, consent, redis_url, ttl_s
        self._secret, self._space = secret[:64], namespace
        self._silent_until, self._said = 0.0, False

    def made_of(self, subject: str, purpose: str, model_version: Sequence[Any]) -> str:
        """A hash of all that a state is made of but events told; found without reading the history."""
        parts = [list(model_version), self.events.version(subject), self.consent.version(purpose)]
        return self._hash(b"made of", json.dumps(parts).encode()).hex()

    def current(
        self, family: str, purpose: str, subject: str, model: Stateful, model_version: Sequence[Any]
    ) -> Kept:
        """The person's state after all that may be used for ``purpose``; kept, where it is not the one that was.

        ``subject`` is a pseudonym; ``model_version`` begins with the registry's version and names all else that the
        model's answers rest on.
        """
        key = self._key(family, str(model_version[0]), subject)
        made_of = self.made_of(subject, purpose, model_version)
        kept = self._read(key, made_of, model)
        found = self._moved_on(kept, subject, purpose, model) if kept else self._anew(subject, purpose, model)
        if found.made != "found":
            self._write(key, made_of, found, model)
        return found

    def find(self, subject: str) -> dict[str, int]:
        """States of a subject (pseudonym) by family: ``{"state/recommender": 1}``."""
        found: dict[str, int] = {}
        for key in self._keys(subject):
            place = f"state/{key[len(self._space) + 7 :].split(b':')[0].decode()}"
            found[place] = found.get(place, 0) + 1
        return found

    def erase(self, subject: str) -> dict[str, int]:
        """Delete what :meth:`find` finds; raises ``ForgeError`` when Redis cannot be asked."""
        found, keys = self.find(subject), self._keys(subject)
        if keys:
            self._do(lambda redis: redis.unlink(*keys), 0)
        if self.url and time.monotonic() < self._silent_until:
            raise ForgeError(
                "FORGE-REDIS-DOWN",
                "Redis does not answer, so the subject's states are not erased.",
                fix="Start it with `forge up` and erase again.",
            )
        return found

    # --- making

    def _anew(self, subject: str, purpose: str, model: Stateful) -> Kept:
        history, last = self.events.history(subject, purpose)
        state = self._follow(model, model.begin(), [(one.item, one.time) for one in history])
        sources, exports = ({getattr(one, name) for one in history} for name in ("source", "export"))
        return Kept(state, "anew", last, sorted(sources), sorted(exports))

    def _moved_on(self, kept: Kept, subject: str, purpose: str, model: Stateful) -> Kept:
        told = self.events.since(subject, kept.last)
        if not told:
            return kept
        state, sources = kept.state, set(kept.sources)
        if self.events.may(subject, purpose):
            state = self._follow(model, state, [(one.item, one.time) for one in told])
            sources.add(SOURCE)
        return Kept(state, "moved on", told[-1].number, sorted(sources), kept.exports)

    @staticmethod
    def _follow(model: Stateful, state: Any, events: Sequence[tuple[str, int | None]]) -> Any:
        import numpy as np

        times = np.array([NO_TIME if when is None else when for _, when in events], np.int64)
        return model.follow(state, [item for item, _ in events], times)

    # --- Redis

    def _hash(self, *parts: bytes) -> bytes:
        return hashlib.blake2b(b"\x1f".join(parts), key=self._secret, digest_size=_DIGEST).digest()

    def _key(self, family: str, version: str, subject: str) -> bytes:
        who = self._hash(b"subject", subject.encode()).hex()
        return f"{self._space}:state:{family}:{version}:{who}".encode()

    def _keys(self, subject: str) -> list[bytes]:
        pattern = self._key("*", "*", subject)
        return self._do(lambda redis: sorted(set(redis.scan_iter(pattern, count=5_000))), [])

    def _read(self, key: bytes, made_of: str, model: Stateful) -> Kept | None:
        """The state, or None where it is gone, damaged, forged or made of something else."""
        import msgspec

        data = self._do(lambda redis: redis.getex(key, ex=self.ttl_s) if self.ttl_s else redis.get(key), None)
        tag, body = (data[2:18], data[18:]) if data and data[:2] == _MARK else (b"", b"")
        if not hmac.compare_digest(tag, self._hash(b"state", key, body)):
            return None
        found = msgspec.msgpack.decode(body)
        if found["made_of"] != made_of:
            return None
        try:
            state = model.unpack(found["state"])
        except ForgeError:  # written by an older Forge
            return None
        return Kept(state, "found", found["last"], found["sources"], found["exports"])

    def _write(self, key: bytes, made_of: str, kept: Kept, model: Stateful) -> None:
        import msgspec

        body = msgspec.msgpack.encode(
            {
                "made_of": made_of,
                "last": kept.last,
                "sources": list(kept.sources),
                "exports": list(kept.exports),
                "state": model.pack(kept.state),
            }
        )
        data = _MARK + self._hash(b"state", key, body) + body
        self._do(lambda redis: redis.set(key, data, ex=self.ttl_s or None), None)

    @cached_property
    def _redis(self) -> Any:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        return redis.Redis.from_url(
            str(self.url),
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 1),  # a connection that a restarted server closed is opened again
        )

    def _do(self, what: Callable[[Any], Any], otherwise: Any) -> Any:
        """The answer of Redis, or ``otherwise`` when there is none; said once until it answers again."""
        if not self.url or time.monotonic() < self._silent_until:
            return otherwise
        import redis

        try:
            answer = what(self._redis)
        except redis.ResponseError:  # it lives, and refuses: a key of another type, no memory left
            return otherwise
        except (redis.RedisError, OSError, ValueError) as error:
            self._silent_until = time.monotonic() + REST_S
            if not self._said:
                log.warning(
                    "Redis does not answer (%s): states are made from the history.", type(error).__name__
                )
                self._said = True
            return otherwise
        self._said = False
        return answer
