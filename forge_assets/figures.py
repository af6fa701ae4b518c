"""The pictures of model families (``forge_models.pictures``), drawn small for the UI."""

from typing import TYPE_CHECKING, Any

from forge_assets.pictures import BLUE, GREY, RED, Drawn, draw, scatter

if TYPE_CHECKING:
    from forge_models.pictures import Band, Bars, Heat, Matrix, Picture, Scatter, Timeline

CELLS = 400  # of a matrix; with more its figures would not be read
NAMED = 24  # characters of a name


def drawn(picture: "Picture") -> Drawn:
    """What it shows, and its PNG."""
    from forge_models import pictures

    match picture:
        case pictures.Matrix():
            return _matrix(picture)
        case pictures.Heat():
            return _heat(picture)
        case pictures.Band():
            return _band(picture)
        case pictures.Scatter():
            return _scatter(picture)
        case pictures.Timeline():
            return _timeline(picture)
        case pictures.Bars():
            return _bars(picture)


def _short(name: str) -> str:
    return name if len(name) <= NAMED else f"{name[: NAMED - 1]}…"


def _matrix(picture: "Matrix") -> Drawn:
    """A confusion matrix: each row in shades of its own share, its counts written in."""

    def paint(axes: Any) -> None:
        import numpy as np

        values = np.asarray(picture.values, np.float64)
        total = values.sum(axis=1, keepdims=True)
        share = np.divide(values, total, out=np.zeros_like(values), where=total > 0)
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        _ticks(axes, picture)
        if values.size <= CELLS:
            for (row, column), value in np.ndenumerate(values):
                colour = "white" if share[row, column] > 0.6 else "black"
                text = f"{value:,.0f}" if float(value).is_integer() else f"{value:.2f}"
                axes.text(column, row, text, ha="center", va="center", fontsize=6, color=colour)
        axes.set_xlabel("said", fontsize=7)
        axes.set_ylabel("is", fontsize=7)

    return draw(picture.title, paint, height=0.32 * len(picture.rows) + 1.2)


def _heat(picture: "Heat") -> Drawn:
    def paint(axes: Any) -> None:
        axes.figure.colorbar(
            axes.imshow(picture.values, cmap="Blues", aspect="auto"), ax=axes, pad=0.02
        ).ax.tick_params(labelsize=6)
        _ticks(axes, picture)

    return draw(picture.title, paint, height=0.2 * len(picture.rows) + 1.1)


def _ticks(axes: Any, picture: "Matrix | Heat") -> None:
    for axis, names in ((axes.set_yticks, picture.rows), (axes.set_xticks, picture.columns)):
        every = max(1, len(names) // 12)
        places = range(0, len(names), every)
        turned = axis == axes.set_xticks and max((len(names[at]) for at in places), default=0) > 4
        looks = {"rotation": 35, "ha": "right"} if turned else {}
        axis(list(places), [_short(names[at]) for at in places], fontsize=6, **looks)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_title(picture.title, fontsize=8, loc="left")


def _band(picture: "Band") -> Drawn:
    def paint(axes: Any) -> None:
        axes.fill_between(picture.times, picture.low, picture.high, color=BLUE, alpha=0.18, linewidth=0)
        axes.plot(picture.times, picture.predicted, color=BLUE, linewidth=1.2, label="forecast")
        axes.plot(picture.times, picture.actual, color="black", linewidth=0.9, label="actual")
        _dates(axes)
        axes.set_ylabel(picture.unit, fontsize=7)
        axes.legend(fontsize=6, frameon=False, ncols=2, loc="upper left")
        axes.set_title(picture.title, fontsize=8, loc="left")

    return draw(picture.title, paint)


def _timeline(picture: "Timeline") -> Drawn:
    def paint(axes: Any) -> None:
        import numpy as np

        values, marks = np.asarray(picture.values), list(picture.marks)
        axes.plot(picture.times, values, color=GREY, linewidth=0.6, marker=".", markersize=2)
        axes.plot([picture.times[at] for at in marks], values[marks], "o", color=RED, markersize=4)
        if picture.threshold is not None:
            axes.axhline(picture.threshold, color="black", linestyle="--", linewidth=0.8)
        _dates(axes)
        axes.set_title(picture.title, fontsize=8, loc="left")

    return draw(picture.title, paint)


def _dates(axes: Any) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(maxticks=6)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.tick_params(labelsize=6)


def _scatter(picture: "Scatter") -> Drawn:
    import numpy as np

    points = np.column_stack([picture.x, picture.y])
    labels = np.array([str(label) for label in picture.labels], object)
    names, counts = np.unique(labels[labels != ""], return_counts=True)
    largest = [str(names[at]) for at in np.argsort(-counts, kind="stable")[:7]]
    groups = {name: points[labels == name] for name in largest}
    return scatter(groups, points[~np.isin(labels, largest)], picture.title, "the largest")


def _bars(picture: "Bars") -> Drawn:
    def paint(axes: Any) -> None:
        import numpy as np

        places = np.arange(len(picture.names))[::-1]
        axes.barh(places, picture.values, color=BLUE, height=0.6)
        if picture.low is not None and picture.high is not None:
            ends = np.abs(np.stack([picture.values - picture.low, picture.high - picture.values]))
            axes.errorbar(
                picture.values, places, xerr=ends, fmt="none", color="black", capsize=3, linewidth=1
            )
        axes.set_yticks(places, [_short(name) for name in picture.names], fontsize=7)
        axes.locator_params(axis="x", nbins=5)
        axes.set_title(picture.title, fontsize=8, loc="left")

    return draw(picture.title, paint, height=0.26 * len(picture.names) + 0.9)
