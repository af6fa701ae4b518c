"""Small exports in Google's formats, and runs of the real graph in this process."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from forge_models.nlp import NLP
from forge_resources.stores import Stores

START = datetime(2024, 1, 1, 12, tzinfo=UTC)
Watched = tuple[str, datetime]


def watched(*numbers: int, start: datetime = START) -> list[Watched]:
    """One video an hour, named by number."""
    return [(f"vid{n:08d}", start + timedelta(hours=hour)) for hour, n in enumerate(numbers)]


def _json(events: Sequence[Watched]) -> str:
    return json.dumps(
        [
            {
                "header": "YouTube",
                "title": f"Watched Video {video}",
                "titleUrl": f"https://www.youtube.com/watch?v={video}",
                "subtitles": [{"name": "Channel", "url": "https://www.youtube.com/channel/UCx"}],
                "time": time.strftime("%Y-%m-%dT%H:%M:%S.123Z"),
                "products": ["YouTube"],
                "activityControls": ["YouTube watch history"],
            }
            for video, time in reversed(events)
        ]
    )


def _html(events: Sequence[Watched]) -> str:
    cells = "".join(
        '<div class="outer-cell mdl-cell mdl-cell--12-col mdl-shadow--2dp"><div class="mdl-grid">'
        '<div class="header-cell mdl-cell mdl-cell--12-col">'
        '<p class="mdl-typography--title">YouTube<br></p></div><div class="content-cell'
        ' mdl-cell mdl-cell--6-col mdl-typography--body-1">Watched <a href="https://www.youtube.com/watch?v='
        f'{video}">Video {video}</a><br><a href="https://www.youtube.com/channel/UCx">Channel</a><br>'
        f'{time.strftime("%b %-d, %Y, %-I:%M:%S %p UTC")}</div><div class="content-cell mdl-cell mdl-cell--6-col'
        ' mdl-typography--body-1 mdl-typography--text-right"></div><div class="content-cell mdl-cell'
        ' mdl-cell--12-col mdl-typography--caption"><b>Products:</b><br> YouTube<br></div></div></div>'
        for video, time in reversed(events)
    )
    head = "<html><head><title>My Activity History</title></head>"
    return f'{head}<body><div class="mdl-grid">{cells}</div></body></html>'


@pytest.fixture
def stores(mlflow_store: str, home: Path) -> Stores:
    """The stores of a fresh home."""
    made = Stores()
    made.database.ensure()
    return made


@pytest.fixture
def takeout(tmp_path: Path) -> Callable[..., Path]:
    """Makes a Takeout zip with a watch history, as JSON or HTML."""
    made: list[Path] = []

    def make(events: Sequence[Watched], html: bool = False) -> Path:
        path = tmp_path / f"takeout-{len(made)}.zip"
        name = f"Takeout/YouTube and YouTube Music/history/watch-history.{'html' if html else 'json'}"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, _html(events) if html else _json(events))
        made.append(path)
        return path

    return make


class Forge:
    """The graph run in this process, as `forge ingest` and `forge build` run it in workers."""

    def __init__(self, stores: Stores) -> None:
        from definitions import build_defs

        self.stores = stores
        self.instance = dg.DagsterInstance.ephemeral()
        self.repository = build_defs({"stores": stores}).get_repository_def()

    def ingest(self, path: Path, subject: str | None = None) -> dg.ExecuteInProcessResult:
        export = self.stores.exports.register(path, subject)
        self.instance.add_dynamic_partitions("exports", [export.partition])
        return self._run("ingest", partition_key=export.partition)

    def build(self, *assets: str) -> dg.ExecuteInProcessResult:
        """All of them where none is named, but for what learns from public text: the whole way builds that."""
        everything = self.repository.get_job("build_everything").asset_layer.selected_asset_keys
        rest = [
            one
            for one in everything
            if one.path[0] not in ("reference", "nlp") and "/".join(one.path) not in NLP.insights
        ]
        selection = [dg.AssetKey(a.split("/")) for a in assets] or rest
        return self._run("build_everything", asset_selection=selection)

    def _run(self, job: str, **how) -> dg.ExecuteInProcessResult:
        return self.repository.get_job(job).execute_in_process(
            instance=self.instance, raise_on_error=False, **how
        )


@pytest.fixture
def forge(stores: Stores) -> Forge:
    return Forge(stores)


def checks(result: dg.ExecuteInProcessResult) -> dict[str, tuple[bool, str]]:
    """``asset:check`` -> (passed, description)."""
    return {
        f"{e.asset_key.to_user_string()}:{e.check_name}": (e.passed, e.description or "")
        for e in result.get_asset_check_evaluations()
    }
