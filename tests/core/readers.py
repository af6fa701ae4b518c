"""Helpers of the reader tests: a folder of members, everything read from it, fixtures in Google's layouts."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from forge_core import identity
from forge_core.archives import open_archive
from forge_core.events import arrow_schema
from forge_core.sources import Options, ReadReport, Survey, read, survey

DATA = Path(os.environ.get("FORGE_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


def data(name: str) -> Path:
    """A public data set, or a skip that says what is missing."""
    if not (DATA / name).exists():
        pytest.skip(f"the public data set {name} is not beside the checkout (FORGE_DATA)")
    return DATA / name


@dataclass
class Outcome:
    survey: Survey
    report: ReadReport
    rows: dict[str, list[dict[str, Any]]]  # by kind, with member and source

    @property
    def quarantined(self) -> dict[str, int]:
        return dict(self.report.total("quarantined"))

    @property
    def passed_over(self) -> dict[str, int]:
        return dict(self.report.total("passed_over"))

    def ids(self, member: str | None = None) -> set[Any]:
        """Identities as raw publishes them, occurrences numbered."""
        found, seen = set(), {}
        for kind, rows in self.rows.items():
            for row in sorted(rows, key=lambda row: row["sequence"]):
                if member and not row["member"].endswith(member):
                    continue
                event = (row["subject"], kind, row["item"], row["time"])
                text = row.get("message") or ""
                key = (row["member"], *event[:3], identity.moment(kind, row["time"], text))
                seen[key] = number = seen.get(key, -1) + 1
                found.add(identity.event_id(*event, number, text))
        return found


def read_all(path: Path, subject: str | None = None, options: Options = Options()) -> Outcome:  # noqa: B008
    report = ReadReport()
    rows: dict[str, list[dict[str, Any]]] = {}
    with open_archive(path) as archive:
        found = survey(archive, subject, options)
        for batch in read(archive, found, subject, report, options):
            assert batch.rows.schema == arrow_schema(batch.kind)
            batch.rows.validate(full=True)
            for row in batch.rows.to_pylist():
                row |= {"member": batch.member, "source": batch.source}
                assert row["item"]
                assert ":" in row["item"][2:] or ":" in row["item"]
                assert row["time"] is not None or row["time_flag"]
                rows.setdefault(batch.kind, []).append(row)
    assert not [m for m in report.members.values() if m.reason.startswith("FORGE-READER")]
    return Outcome(found, report, rows)


def folder(tmp_path: Path, members: dict[str, bytes | str]) -> Path:
    root = tmp_path / "export"
    for name, content in members.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def record(number: int = 0, **changes: Any) -> dict[str, Any]:
    """One record of watch-history.json."""
    return {
        "header": "YouTube",
        "title": f"Watched Film {number}",
        "titleUrl": f"https://www.youtube.com/watch?v=video{number:06d}",
        "subtitles": [{"name": "Channel", "url": "https://www.youtube.com/channel/UC0123456789"}],
        "time": f"2021-09-30T01:{number // 60 % 60:02d}:{number % 60:02d}.123Z",
        "products": ["YouTube"],
        "activityControls": ["YouTube watch history"],
    } | changes


def history(*records: dict[str, Any]) -> str:
    return json.dumps(list(records), indent=2)


def cell(
    number: int = 0,
    header: str = "YouTube",
    body: str | None = None,
    date: str | None = None,
    caption: str = "<b>Products:</b><br>&emsp;YouTube<br>",
) -> str:
    """One cell of watch-history.html."""
    date = date or f"Sep 30, 2021, 1:{number // 60 % 60:02d}:{number % 60:02d} AM UTC"
    body = body or (
        f'Watched&nbsp;<a href="https://www.youtube.com/watch?v=video{number:06d}">Film {number}</a><br>'
        '<a href="https://www.youtube.com/channel/UC0123456789">Channel</a><br>'
    )
    kind = "content-cell mdl-cell mdl-cell--"
    return (
        '<div class="outer-cell mdl-cell mdl-cell--12-col mdl-shadow--2dp"><div class="mdl-grid">'
        '<div class="header-cell mdl-cell mdl-cell--12-col">'
        f'<p class="mdl-typography--title">{header}<br></p></div>'
        f'<div class="{kind}6-col mdl-typography--body-1">{body}{date}</div>'
        f'<div class="{kind}6-col mdl-typography--body-1 mdl-typography--text-right"></div>'
        f'<div class="{kind}12-col mdl-typography--caption">{caption}</div></div></div>'
    )


def page(*cells: str, styles: int = 0) -> str:
    css = ".mdl-cell { color: #FFFFFF; }\n" * styles
    return (
        f"<html><head><title>My Activity History</title><style>{css}</style></head>"
        f'<body><div class="mdl-grid">{"".join(cells)}</div></body></html>'
    )
