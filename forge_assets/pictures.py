"""Small pictures for the UI, drawn from aggregates only: never a person's row.

Each returns what the picture is and a PNG of a few kilobytes; ``Pictures.show`` keeps it and makes the link.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Picture = tuple[str, bytes]  # what it shows, and the PNG

WIDTH = 3.7  # inches at 100 dots: what the value column of an asset's page has room for
BLUE, GREY, RED = "#4f6bed", "#a0a4b0", "#d1495b"


def _draw(alternative: str, paint: Callable[[Any], None], height: float = 2.6) -> Picture:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7)
    paint(axes)
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})
    return alternative, file.getvalue()


def long_tail(counts: Sequence[int]) -> Picture:
    """Interactions of items by rank, both axes logarithmic; ``counts`` falls."""

    def paint(axes: Any) -> None:
        axes.loglog(range(1, len(counts) + 1), counts, color=BLUE, linewidth=1.8)
        total, head = sum(counts), sum(counts[: max(1, len(counts) // 10)])
        axes.set_title(
            f"a tenth of the items has {head / total:.0%} of the interactions", fontsize=8, loc="left"
        )
        axes.set_xlabel("item, by rank", fontsize=7)
        axes.set_ylabel("interactions", fontsize=7)

    return _draw("long tail of items", paint)


def against_baselines(
    rows: Sequence[tuple[str, float, float, float, bool]], metric: str, chosen: str
) -> Picture:
    """One bar per candidate with its interval: (name, value, low, high, is baseline)."""

    def paint(axes: Any) -> None:
        ordered = sorted(rows, key=lambda r: r[1])
        for place, (_, value, low, high, baseline) in enumerate(ordered):
            axes.barh(place, value, color=GREY if baseline else BLUE, height=0.6)
            axes.errorbar(
                value, place, xerr=[[value - low], [high - value]], color="black", capsize=3, linewidth=1
            )
            axes.text(high, place, f"  {value:.4f}", va="center", fontsize=7)
        names = [n + ("\n(baseline)" if b else "\n(chosen)" if n == chosen else "") for n, *_, b in ordered]
        axes.set_yticks(range(len(ordered)), names)
        axes.margins(x=0.25)
        axes.locator_params(axis="x", nbins=5)
        axes.set_title(f"{metric} on unseen events, 95 % intervals", fontsize=8, loc="left")

    return _draw("score against baselines", paint, height=0.55 * len(rows) + 1)


def by_hyperparameter(scores: Mapping[str, Sequence[tuple[str, float]]], metric: str) -> Picture:
    """Validation score of every configuration tried, one line per candidate: name -> (config, score)."""

    def paint(axes: Any) -> None:
        for name, tried in scores.items():
            axes.plot(range(len(tried)), [s for _, s in tried], marker="o", label=name, linewidth=1.5)
        longest = max(scores.values(), key=len)
        axes.set_xticks(range(len(longest)), [c for c, _ in longest], rotation=20, ha="right", fontsize=7)
        axes.set_ylabel(f"validation {metric}", fontsize=7)
        axes.set_ylim(bottom=0)
        axes.legend(fontsize=8, frameon=False)

    return _draw("score by hyperparameter", paint, height=3)


def effects(rows: Sequence[tuple[str, float, float, bool]], title: str) -> Picture:
    """Drift per column: (column, effect, threshold, alarm), effects beside their thresholds."""

    def paint(axes: Any) -> None:
        for place, (_, effect, threshold, alarm) in enumerate(reversed(rows)):
            axes.barh(place, effect / threshold, color=RED if alarm else BLUE, height=0.6)
        axes.axvline(1, color="black", linestyle="--", linewidth=1)
        axes.set_yticks(range(len(rows)), [name for name, *_ in reversed(rows)])
        axes.set_xlabel("effect, as a share of the threshold (dashed)", fontsize=7)
        axes.set_title(title, fontsize=8, loc="left")

    return _draw("drift per column", paint, height=0.4 * len(rows) + 1.1)


def groups(rows: Sequence[tuple[str, float, float, float, int]], metric: str) -> Picture:
    """A metric by subject group with its interval: (group, value, low, high, n)."""

    def paint(axes: Any) -> None:
        for place, (_, value, low, high, _) in enumerate(reversed(rows)):
            axes.errorbar(value, place, xerr=[[value - low], [high - value]], fmt="o", color=BLUE, capsize=3)
        axes.set_yticks(range(len(rows)), [f"{name} (n={n})" for name, *_, n in reversed(rows)], fontsize=7)
        axes.locator_params(axis="x", nbins=5)
        axes.set_title(f"{metric} by group, 95 % intervals", fontsize=8, loc="left")

    return _draw("metric by group", paint, height=0.32 * len(rows) + 1)
