"""What every arm prints: how much it read, in what time, and a digest of the fields where it is asked for one.

Nothing but the standard library is imported, so that arms run in the environments of peers. The clock starts
when this module is imported: what our arm imports after it counts, what the small peers import before it does not.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterable
from typing import Any

STARTED = time.perf_counter()


def start() -> None:
    """Begin now: what came before is not part of the arm (making the rows that are loaded)."""
    global STARTED
    STARTED = time.perf_counter()


def done(rows: int, **more: Any) -> None:
    seconds = time.perf_counter() - STARTED
    print(json.dumps({"rows": rows, "seconds": round(seconds, 3), **more}))


def count(found: Iterable[Any]) -> None:
    """Read all of ``found`` and forget it; with ``--check`` keep it, for a digest that has no order."""
    if "--check" in sys.argv:
        rows = sorted(json.dumps(one, ensure_ascii=False) for one in found)
        done(len(rows), digest=hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16])
    else:
        done(sum(1 for _ in found))
