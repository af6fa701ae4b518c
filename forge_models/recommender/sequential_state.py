"""A person's recurrent state: all that the sequential model needs of a history, in bytes that do not grow with it.

It holds the network's state after the last event and before the last 10 to 19 events, these events themselves (for
reasons and recency), and which items were seen: one bit for each item of the model, and the ids of seen items that came
after its training. With two layers of width 128 that is 130 kB, and an eighth of a byte per item of the catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from forge_core.errors import ForgeError
from forge_models.engine.config import EngineConfig
from forge_models.engine.state import State
from forge_models.recommender.interactions import NO_TIME

RECENT = 10  # last events that reasons can name
HELD = (
    2 * RECENT
)  # with so many, the state before them follows by RECENT at once: dearer seldom, and cheap mostly
VERSION = 1


@dataclass(frozen=True)
class Event:
    """One event: the item, microseconds since 1970 or ``NO_TIME``, and its bucket of ``gap_buckets``."""

    item: str
    time: int
    gap: int


@dataclass(frozen=True)
class PersonState:
    """``now``: the network's state after the last event; ``before``: before the first of ``recent``.

    ``hidden`` (dims,) float32: the network's output after the last event; ``seen`` packed bits over the model's own
    items; ``others``: seen items beside them; ``events``: how many there were in all.
    """

    now: State
    before: State
    hidden: np.ndarray
    recent: tuple[Event, ...]
    seen: np.ndarray
    others: tuple[str, ...] = ()
    events: int = 0

    @property
    def last_time(self) -> int:
        return self.recent[-1].time if self.recent else int(NO_TIME)

    def has_seen(self, code: int) -> bool:
        """``code`` is of the model's own items."""
        return bool(self.seen[code >> 3] >> (7 - (code & 7)) & 1)

    def to_bytes(self) -> bytes:
        import msgspec

        return msgspec.msgpack.encode(
            {
                "version": VERSION,
                "now": self.now.to_bytes(),
                "before": self.before.to_bytes(),
                "hidden": self.hidden.astype("<f4").tobytes(),
                "recent": [(one.item, one.time, one.gap) for one in self.recent],
                "seen": self.seen.tobytes(),
                "others": list(self.others),
                "events": self.events,
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes, engine: EngineConfig, items: int) -> PersonState:
        """What ``to_bytes`` gave, for a model of ``items`` own items; ForgeError for anything else."""
        import msgspec

        try:
            found = msgspec.msgpack.decode(data, type=dict[str, Any])
            hidden = np.frombuffer(found["hidden"], "<f4").astype(np.float32)
            seen = np.frombuffer(found["seen"], np.uint8).copy()
            recent = tuple(Event(str(item), int(time), int(gap)) for item, time, gap in found["recent"])
            others, events = tuple(map(str, found["others"])), int(found["events"])
            now, before = (State.from_bytes(found[name], engine) for name in ("now", "before"))
            version = found["version"]
        except (msgspec.MsgspecError, KeyError, TypeError, ValueError):
            raise _broken() from None
        fits = (
            version == VERSION
            and len(hidden) == engine.embed_dim
            and len(seen) == -(-items // 8)
            and min(events, RECENT) <= len(recent) < HELD
            and now.batch == before.batch == 1
            and bool(np.isfinite(hidden).all())
        )
        if not fits:
            raise _broken()
        return cls(now, before, hidden, recent, seen, others, events)


def _broken() -> ForgeError:
    return ForgeError(
        "FORGE-STATE-BROKEN",
        "A person's saved state cannot be used.",
        "It is damaged, or of another model.",
        "Delete it: it is computed anew from the history.",
    )
