"""What was unusual about each security event: smoothed surprises, in nats, from the stream's own past and the
population's habits.

Everything is prequential (Dawid 1984): an event is judged by the events before it alone, then counted. The stream's
counts are shrunk to the population's shares by a handful of pseudo events (Dirichlet and beta smoothing); counts in
a window are judged by the tail of a negative binomial with the stream's mean and variance. A model holds the
population's shares only, nothing of any person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forge_models.anomaly.streams import Streams, cumcount, earlier_with, floats

ITEMS, HOURS, FLAGS, WINDOWS = 10.0, 10.0, 20.0, 20.0  # pseudo events of the population, by what is counted
CAP = 30.0  # nats; beyond it nothing is rarer
LEAST_ITEM = 3  # events before a service and action has a name of its own
HOUR, WEEK = 3600, 7 * 86_400
# A window of failures over a week catches who tries slowly.
COUNTED: dict[str, tuple[str, int]] = {
    "burst_1h": ("events", HOUR),
    "burst_24h": ("events", 24 * HOUR),
    "failures_1h": ("failed", HOUR),
    "failures_24h": ("failed", 24 * HOUR),
    "failures_7d": ("failed", WEEK),
}
# In the moments an event weighs one over the events of its window: a burst of a hundred is one burst, not a hundred,
# and does not teach that bursts are usual.
WEIGHED = {name: "burst_1h" if name.endswith("_1h") else "burst_24h" for name in COUNTED}
SEEN = ("device", "network", "country")
NAMES = (
    "item", "hour", "device", "network", "country", "travel", "failed", *COUNTED, "fresh", "sensitive",
)  # fmt: skip
# Actions that somebody takes who wants to keep an account, or to empty it. Fragments of item names.
SENSITIVE = (
    "password", "passwd", "recovery", "2fa", "mfa", "two_step", "2sv", "verification", "download", "takeout",
    "export", "forward", "delegat", "delete", "api_key", "token", "authorized_keys", "sudo", "email_change",
)  # fmt: skip


@dataclass(frozen=True)
class AccountView:
    """The population's habits. ``items`` sorted with ``share`` (items + 1,) float64, the last for the unknown ones;
    ``hours`` (24,) float64 sums to 1; ``rates`` (5,) of device, network, country, travel, failed; ``means`` and
    ``squares`` (5,): first and second moment of the counts in a window; ``usual`` (2,): mean surprise of item and hour.
    """

    items: Sequence[str]
    share: np.ndarray
    hours: np.ndarray
    rates: np.ndarray
    means: np.ndarray
    squares: np.ndarray
    usual: np.ndarray

    names = NAMES
    two_sided = False

    def values(self, streams: Streams) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """(n, len(NAMES)) float64 of surprises at or above 0, and the counts that words are made of, (n,) each."""
        raw = _raw(streams, self.items)
        n_before = streams.place.astype(np.float64)
        found: dict[str, np.ndarray] = {}
        for name, surprise, usual, weight in (
            ("item", _items(raw, n_before, self.share), self.usual[0], ITEMS),
            ("hour", _hours(raw, streams, n_before, self.hours), self.usual[1], HOURS),
        ):
            centre = (streams.before(surprise) + weight * usual) / (n_before + weight)
            found[name] = np.clip(surprise - centre, 0.0, CAP)
        for place, name in enumerate((*SEEN, "travel", "failed")):
            known, flag = raw[f"{name}?"], raw[name]
            chance = (streams.before(flag) + FLAGS * self.rates[place]) / (streams.before(known) + FLAGS)
            found[name] = np.where(flag > 0, np.clip(-np.log(chance), 0.0, CAP), 0.0)
        facts = {"earlier": n_before}
        for place, name in enumerate(COUNTED):
            count, share = raw[name], 1.0 / raw[WEIGHED[name]]
            total = streams.before(share) + WINDOWS
            mean = (streams.before(share * count) + WINDOWS * self.means[place]) / total
            square = (streams.before(share * count * count) + WINDOWS * self.squares[place]) / total
            found[name] = tail_surprise(count, mean, square)
            facts[name], facts[f"{name}_usual"] = count, mean
        novelty = sum(found[name] for name in (*SEEN, "travel"))
        # a difference of long sums leaves traces of rounding, which would count as values
        found["fresh"] = np.round(streams.within(np.asarray(novelty), HOUR), 9)
        heard = found["fresh"] + found["failures_24h"]
        for name, (what, _) in COUNTED.items():
            if what == "failed":  # said of the failures themselves, not of every login of the week after
                found[name] = np.where(raw["failed"] > 0, found[name], 0.0)
        found["sensitive"] = np.where(raw["sensitive"] > 0, heard, 0.0)
        facts["hour_of_day"] = raw["hour_of_day"].astype(np.float64)
        facts["travel_known"] = raw["travel?"]
        return np.column_stack([np.minimum(found[name], CAP) for name in NAMES]), facts


def fit(streams: Streams) -> AccountView:
    """The habits of everybody in the training rows, each with at least a trace of the even distribution."""
    table = streams.table
    counts = pc.value_counts(table["item"].combine_chunks())
    pairs = sorted((one["values"], one["counts"]) for one in counts.to_pylist() if one["values"] is not None)
    kept = [(item, count) for item, count in pairs if count >= LEAST_ITEM]
    items = [item for item, _ in kept]
    other = sum(count for _, count in pairs) - sum(count for _, count in kept)
    share = np.array([count for _, count in kept] + [other + 1.0], np.float64)
    blank = AccountView(items, share / share.sum(), *(np.zeros(0) for _ in range(5)))
    raw = _raw(streams, items)
    hours = np.bincount(raw["hour_of_day"], minlength=24) + 1.0
    hours /= hours.sum()
    rates = np.array(
        [(raw[name].sum() + 0.5) / (raw[f"{name}?"].sum() + 50.0) for name in (*SEEN, "travel", "failed")]
    )
    windows = [(raw[name], 1.0 / raw[WEIGHED[name]]) for name in COUNTED]
    means = np.array([max(_mean(count, weight), 0.01) for count, weight in windows])
    squares = np.array([max(_mean(count * count, weight), 0.02) for count, weight in windows])
    n_before = streams.place.astype(np.float64)
    surprise = [_items(raw, n_before, blank.share), _hours(raw, streams, n_before, hours)]
    usual = np.array([float(one.mean()) if len(one) else 0.0 for one in surprise])
    return AccountView(items, blank.share, hours, rates, means, squares, usual)


def tail_surprise(count: np.ndarray, mean: np.ndarray, square: np.ndarray) -> np.ndarray:
    """-ln P(X >= count) for a negative binomial with this mean and second moment, all (n,); 0 where count is 0."""
    from scipy.special import betainc

    variance = np.maximum(square - mean * mean, mean * 1.01 + 1e-6)
    size = mean * mean / (variance - mean)
    chance = betainc(np.maximum(count, 1.0), size, 1.0 - mean / variance)
    return np.where(count > 0, np.minimum(-np.log(np.maximum(chance, np.exp(-CAP))), CAP), 0.0)


def sensitive(item: str) -> bool:
    """Is it an action that keeps or empties an account?"""
    lower = item.lower()
    return any(fragment in lower for fragment in SENSITIVE)


def _raw(streams: Streams, items: Sequence[str]) -> dict[str, np.ndarray]:
    """What the rows say, as arrays (n,)."""
    table = streams.table
    column = table["item"].combine_chunks().dictionary_encode()
    names = column.dictionary.to_pylist()
    place = {item: number for number, item in enumerate(items)}
    local = np.asarray(pc.fill_null(column.indices, 0).to_numpy(zero_copy_only=False)).astype(np.int64)
    known = np.array([place.get(name, len(items)) for name in names], np.int64)
    hot = np.array([sensitive(name) for name in names], bool)
    ones = np.ones(len(local))
    found = {
        "code": known[local] if len(names) else local,
        "seen_before": cumcount(streams.stream * max(1, len(names)) + local),
        "sensitive": hot[local].astype(np.float64) if len(names) else ones,
        "hour_of_day": (streams.time // (HOUR * 1_000_000)) % 24,
        "failed": _flag(table["failed"].cast(pa.int64())),
        "failed?": ones,
        "events": ones,
    }
    for name in SEEN:
        values = floats(table[f"new_{name}"])
        found[name], found[f"{name}?"] = np.nan_to_num(values), (~np.isnan(values)).astype(np.float64)
    values = floats(table["impossible_travel"])
    found["travel"], found["travel?"] = np.nan_to_num(values), (~np.isnan(values)).astype(np.float64)
    for name, (what, seconds) in COUNTED.items():
        found[name] = streams.within(found[what], seconds)
    return found


def _mean(values: np.ndarray, weight: np.ndarray) -> float:
    return float((values * weight).sum() / weight.sum()) if len(values) else 0.0


def _flag(column: pa.ChunkedArray) -> np.ndarray:
    return np.nan_to_num(floats(column))


def _items(raw: dict[str, np.ndarray], n_before: np.ndarray, share: np.ndarray) -> np.ndarray:
    chance = (raw["seen_before"] + ITEMS * share[raw["code"]]) / (n_before + ITEMS)
    return -np.log(chance)


def _hours(
    raw: dict[str, np.ndarray], streams: Streams, n_before: np.ndarray, hours: np.ndarray
) -> np.ndarray:
    """Hours beside each other count half: who comes at nine may come at ten."""
    hour = raw["hour_of_day"]
    keys = streams.stream * 24 + hour
    near = [earlier_with(keys, streams.stream * 24 + (hour + step) % 24) for step in (-1, 0, 1)]
    count = near[1] + 0.5 * (near[0] + near[2])
    share = hours[hour] + 0.5 * (hours[(hour - 1) % 24] + hours[(hour + 1) % 24])
    return -np.log((count + HOURS * share) / (2.0 * n_before + 2.0 * HOURS))
