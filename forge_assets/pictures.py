"""Small pictures for the UI, drawn from aggregates only: never a person's row.

Each returns what the picture is and a PNG of a few kilobytes; ``Pictures.show`` keeps it and makes the link.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

Drawn = tuple[str, bytes]  # what it shows, and the PNG

WIDTH = 3.7  # inches at 100 dots: what the value column of an asset's page has room for
BLUE, GREY, RED = "#4f6bed", "#a0a4b0", "#d1495b"

# a day or week without rows, then from few rows to many
SHADES = ("#e9ebf1", "#c9d3fb", "#93a6f5", "#4f6bed", "#2f45b8", "#182a7d")
QUANTILES = (0.25, 0.5, 0.75, 0.95)  # between the shades: of what has rows, whatever the largest day is
BY_DAY = 3  # calendar years that are drawn by day; a longer life is by week
YEARS = 40  # rows that one picture has room for; earlier ones are counted in its title
CELL, COLUMNS, LEFT = 6, 54, 34  # pixels of a cell with its edge, weeks a year can touch, label of a year
QUIET = "#6b7080"


def draw(alternative: str, paint: Callable[[Any], None], height: float = 2.6) -> Drawn:
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


def long_tail(counts: Sequence[int]) -> Drawn:
    """Interactions of items by rank, both axes logarithmic; ``counts`` falls."""

    def paint(axes: Any) -> None:
        axes.loglog(range(1, len(counts) + 1), counts, color=BLUE, linewidth=1.8)
        total, head = sum(counts), sum(counts[: max(1, len(counts) // 10)])
        axes.set_title(
            f"a tenth of the items has {head / total:.0%} of the interactions", fontsize=8, loc="left"
        )
        axes.set_xlabel("item, by rank", fontsize=7)
        axes.set_ylabel("interactions", fontsize=7)

    return draw("long tail of items", paint)


def against_baselines(
    rows: Sequence[tuple[str, float, float, float, bool]], metric: str, chosen: str
) -> Drawn:
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

    return draw("score against baselines", paint, height=0.55 * len(rows) + 1)


def by_hyperparameter(scores: Mapping[str, Sequence[tuple[str, float]]], metric: str) -> Drawn:
    """Validation score of every configuration tried, one line per candidate: name -> (config, score)."""

    def paint(axes: Any) -> None:
        for name, tried in scores.items():
            axes.plot(range(len(tried)), [s for _, s in tried], marker="o", label=name, linewidth=1.5)
        longest = max(scores.values(), key=len)
        axes.set_xticks(range(len(longest)), [c for c, _ in longest], rotation=20, ha="right", fontsize=7)
        axes.set_ylabel(f"validation {metric}", fontsize=7)
        axes.set_ylim(bottom=0)
        axes.legend(fontsize=8, frameon=False)

    return draw("score by hyperparameter", paint, height=3)


def effects(rows: Sequence[tuple[str, float, float, bool]], title: str) -> Drawn:
    """Drift per column: (column, effect, threshold, alarm), effects beside their thresholds."""

    def paint(axes: Any) -> None:
        for place, (_, effect, threshold, alarm) in enumerate(reversed(rows)):
            axes.barh(place, effect / threshold, color=RED if alarm else BLUE, height=0.6)
        axes.axvline(1, color="black", linestyle="--", linewidth=1)
        axes.set_yticks(range(len(rows)), [name for name, *_ in reversed(rows)])
        axes.set_xlabel("effect, as a share of the threshold (dashed)", fontsize=7)
        axes.set_title(title, fontsize=8, loc="left")

    return draw("drift per column", paint, height=0.4 * len(rows) + 1.1)


def groups(rows: Sequence[tuple[str, float, float, float, int]], metric: str) -> Drawn:
    """A metric by subject group with its interval: (group, value, low, high, n)."""

    def paint(axes: Any) -> None:
        for place, (_, value, low, high, _) in enumerate(reversed(rows)):
            axes.errorbar(value, place, xerr=[[value - low], [high - value]], fmt="o", color=BLUE, capsize=3)
        axes.set_yticks(range(len(rows)), [f"{name} (n={n})" for name, *_, n in reversed(rows)], fontsize=7)
        axes.locator_params(axis="x", nbins=5)
        axes.set_title(f"{metric} by group, 95 % intervals", fontsize=8, loc="left")

    return draw("metric by group", paint, height=0.32 * len(rows) + 1)


PALETTE = ("#4f6bed", "#d1495b", "#2a9d8f", "#e9a13b", "#7b4fb3", "#5c8a3a", "#c06c9b")


def scatter(groups: "Mapping[str, np.ndarray]", rest: "np.ndarray", title: str, label: str | None) -> Drawn:
    """Points (n, 2) of each group in its colour, the rest in grey; axes of such a map mean nothing."""

    def paint(axes: Any) -> None:
        if len(rest):
            axes.scatter(rest[:, 0], rest[:, 1], s=5, color=GREY, alpha=0.5, linewidths=0)
        for (name, points), colour in zip(groups.items(), PALETTE, strict=False):
            short = name if len(name) <= 24 else f"{name[:23]}…"
            axes.scatter(points[:, 0], points[:, 1], s=7, color=colour, alpha=0.75, linewidths=0, label=short)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.set_title(title, fontsize=8, loc="left")
        if label is not None and groups:
            axes.legend(
                fontsize=6, frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 0), markerscale=1.5,
                title=label, title_fontsize=6,
            )  # fmt: skip

    return draw("map of the space", paint, height=3.6)


def recall_curve(curve: Sequence[tuple[int, float]], target: float) -> Drawn:
    """Recall by the number of candidates that are ranked again: (candidates, recall)."""

    def paint(axes: Any) -> None:
        axes.plot(
            [n for n, _ in curve], [recall for _, recall in curve], marker="o", color=BLUE, linewidth=1.5
        )
        axes.axhline(target, color="black", linestyle="--", linewidth=1)
        axes.set_xlabel("candidates", fontsize=7)
        axes.set_ylabel("recall@10", fontsize=7)
        axes.set_title(f"recall by candidates, target {target} dashed", fontsize=8, loc="left")

    return draw("recall by candidates", paint, height=2.2)


PANELS = ("loss", "score", "learning_rate", "examples_per_s", "memory_mb")


def training(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> Drawn:
    """How models were trained, a line for each: loss, score, learning rate, throughput, memory, the model's own.

    ``histories``: name of the line -> rows with a ``step``. Figures named ``group/name`` share a panel as lines of the
    first history alone.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    named = dict.fromkeys(name for rows in histories.values() for row in rows for name in row)
    plain = [name for name in PANELS if name in named]
    plain += [name for name in named if name not in (*PANELS, "step") and "/" not in name]
    groups = list(dict.fromkeys(name.partition("/")[0] for name in named if "/" in name))
    count = len(plain) + len(groups)
    rows_of_panels = -(-count // 2)
    figure = Figure(figsize=(WIDTH, 0.35 + 1.25 * rows_of_panels), layout="constrained")
    axes = figure.subplots(rows_of_panels, 2, squeeze=False).flatten()
    for place in axes[count:]:
        place.set_axis_off()
    for place, name in zip(axes, plain, strict=False):
        for colour, rows in zip(PALETTE, histories.values(), strict=False):
            _curve(place, rows, name, colour)
        _panel(place, name)
    first = next(iter(histories.values()))
    for place, group in zip(axes[len(plain) :], groups, strict=False):
        lines = [name for name in named if name.startswith(f"{group}/")]
        for number, name in enumerate(lines):
            _curve(place, first, name, PALETTE[number % len(PALETTE)])
        _panel(place, f"{group} ({len(lines)})" if len(lines) > 1 else lines[0])
    if len(histories) > 1:
        names = list(histories)[: len(PALETTE)]
        figure.legend(
            axes[0].get_lines(), names, fontsize=6, frameon=False, ncols=2, loc="outside lower center"
        )
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})
    return "training curves", file.getvalue()


def _curve(axes: Any, rows: Sequence[Mapping[str, float]], name: str, colour: str) -> None:
    points = [(row["step"], row[name]) for row in rows if name in row]
    mark = "o" if len(points) < 12 else None
    axes.plot(
        [x for x, _ in points], [y for _, y in points], color=colour, linewidth=1, marker=mark, markersize=2
    )


def _panel(axes: Any, name: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=5, length=2)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-3, 5))
    axes.yaxis.get_offset_text().set_fontsize(5)
    axes.locator_params(nbins=4)
    axes.set_title(f"{name.replace('_', ' ')} by step", fontsize=6.5, loc="left")


def heat_strip(rows_by_day: Mapping[date, int], what: str = "rows") -> Drawn:
    """Rows per day, or per week over a long life: a band per calendar year, pale where there are none."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    first, last = min(rows_by_day), max(rows_by_day)
    years = range(max(first.year, last.year - YEARS + 1), last.year + 1)
    drawn = {day: rows for day, rows in rows_by_day.items() if day.year in years}
    daily = len(years) <= BY_DAY
    cells = _by_day(drawn, years) if daily else _by_week(drawn, years)
    strip = _pixels(cells, CELL if daily else 2 * CELL, 8 if daily else 0)
    legend = _pixels(np.arange(len(SHADES)).reshape(1, 1, -1), 10, 0, steps=np.arange(1, len(SHADES) - 1))
    width, top, bottom = round(WIDTH * 100), 30, 22
    height = top + len(strip) + bottom
    figure = Figure(figsize=(width / 100, height / 100), dpi=100)
    figure.figimage(strip, LEFT, bottom, origin="upper")
    figure.figimage(legend, width - legend.shape[1] - 6, 4, origin="upper")

    def write(x: float, y: float, text: str, size: float, align: str = "left", color: str = "black") -> None:
        figure.text(x / width, 1 - y / height, text, fontsize=size, ha=align, va="center", color=color)

    total, span = sum(drawn.values()), (last - min(drawn)).days + 1
    title = f"{total:,} {what} on {len(drawn):,} of {span:,} days"
    if hidden := sum(rows_by_day.values()) - total:
        title += f"; {hidden:,} before {years[0]} not drawn"
    write(2, 8, title, 8)
    for month in range(12):
        write(LEFT + CELL * (30.44 * month / 7 + 0.5), 23, "JFMAMJJASOND"[month], 6, color=QUIET)
    for place, year in enumerate(years):
        middle = top + len(strip) * (place + (0.42 if daily else 0.47)) / len(years)
        write(LEFT - 4, middle, str(year), 6.5, "right")
    unit = "day" if daily else "week"
    write(LEFT, height - 10, f"a cell is a {unit}; the fullest has {int(cells.max()):,}", 6.5, color=QUIET)
    file = io.BytesIO()
    FigureCanvasAgg(figure).print_png(file, metadata={"Software": None})
    return f"{what} per {unit}", file.getvalue()


def _by_day(rows_by_day: Mapping[date, int], years: range) -> "np.ndarray":
    """(years, weekdays, weeks): rows of each day; -1 outside the life of the table."""
    import numpy as np

    cells = np.full((len(years), 7, COLUMNS), -1, np.int64)
    day, last = min(rows_by_day), max(rows_by_day)
    while day <= last:
        start = date(day.year, 1, 1)
        week = ((day - start).days + start.weekday()) // 7
        cells[day.year - years[0], day.weekday(), week] = rows_by_day.get(day, 0)
        day += timedelta(days=1)
    return cells


def _by_week(rows_by_day: Mapping[date, int], years: range) -> "np.ndarray":
    """(years, 1, weeks): rows of each seven days from January 1st on; -1 outside the life of the table."""
    import numpy as np

    cells = np.full((len(years), 1, COLUMNS), -1, np.int64)
    first, last = min(rows_by_day), max(rows_by_day)
    for place, year in enumerate(years):
        begin = _week(first) if year == first.year else 0
        end = _week(last) if year == last.year else 52
        cells[place, 0, begin : end + 1] = 0
    for day, rows in rows_by_day.items():
        cells[day.year - years[0], 0, _week(day)] += rows
    return cells


def _week(day: date) -> int:
    return (day - date(day.year, 1, 1)).days // 7


def _pixels(cells: "np.ndarray", high: int, gap: int, steps: "np.ndarray | None" = None) -> "np.ndarray":
    """Cells as pixels, a band per year; each cell ``high`` with a white edge, each band ``gap`` apart."""
    import numpy as np
    from matplotlib.colors import to_rgb

    palette = np.array([to_rgb(shade) for shade in (*SHADES, "white")])
    if steps is None:
        steps = np.quantile(cells[cells > 0], QUANTILES)
    shade = np.where(cells > 0, 1 + np.searchsorted(steps, cells), 0)
    shade[cells < 0] = len(SHADES)
    block = palette[shade].repeat(high, 1).repeat(CELL, 2)
    block[:, high - 1 :: high] = 1
    block[:, :, CELL - 1 :: CELL] = 1
    block = np.pad(block, ((0, 0), (0, gap), (0, 0), (0, 0)), constant_values=1)
    return block.reshape(-1, *block.shape[2:])
