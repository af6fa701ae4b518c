"""Pages of our webserver beside Dagster's: the exports of this home, and what became of each file of one.

They are read from the database when they are asked for, so what is erased is gone from them too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from forge_core.errors import ForgeError
from forge_resources.exports import check_partition_key
from forge_resources.outcomes import ROUTE, STATES, Outcomes
from forge_resources.stores import Stores

if TYPE_CHECKING:
    from starlette.requests import Request

PAGE = 200  # files on one page
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; --line: #d7dbe0; --soft: #6b7280; --bad: #b42318; --good: #1a7f4b; --back: #fff;
  --fore: #1c2024; --link: #3b5bdb }
@media (prefers-color-scheme: dark) { :root { --line: #30363d; --soft: #9aa4b2; --bad: #ff7b72; --good: #56d364;
  --back: #0f1419; --fore: #e6edf3; --link: #8ab4ff } }
body { font: 14px/1.45 Inter, system-ui, sans-serif; margin: 0 auto; max-width: 1100px; padding: 24px;
  background: var(--back); color: var(--fore) }
h1 { font-size: 20px; margin: 0 0 4px } h2 { font-size: 15px; margin: 28px 0 8px }
p { margin: 4px 0; color: var(--soft) } a { color: var(--link); text-decoration: none }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: anywhere }
th { font-weight: 600; color: var(--soft); font-size: 12px } .n { text-align: right; white-space: nowrap;
  font-variant-numeric: tabular-nums }
.quarantined, .refused { color: var(--bad) } .imported, .published { color: var(--good) }
nav a { margin-right: 14px } .here { font-weight: 600; color: var(--fore) }
"""


def routes() -> list[Route]:
    """The pages, to stand before Dagster's catch-all."""
    return [Route(ROUTE, exports), Route(f"{ROUTE}/{{partition}}", export)]


def exports(request: Request) -> Response:
    """All exports, newest first."""
    stores = Stores()
    parts = {
        partition: f"part {number} of {found.name}" + _absent(found.missing)
        for found in stores.exports.sets()
        for partition, number in found.parts.items()
    }
    rows = stores.database.rows(
        "select e.partition, status, coalesce(sum(p.rows), 0)::bigint, coalesce(sum(p.new_rows), 0)::bigint, bytes,"
        " registered_at from forge.exports e left join forge.publications p using (partition)"
        " group by e.partition order by registered_at desc, 1"
    )
    table = _table(
        ("export", "status", "rows#", "new#", "MB#", "registered", "set"),
        (
            (
                _link(f"{ROUTE}/{partition}", partition), _state(status), rows_, new, f"{size / 1e6:,.1f}",
                f"{at:%Y-%m-%d %H:%M}", parts.get(partition, ""),
            )
            for partition, status, rows_, new, size, at in rows
        ),
    )  # fmt: skip
    return _page("Exports", f"<h1>Exports</h1><p>{len(rows):,} in this home</p>{table}")


def export(request: Request) -> Response:
    """One export: its rows by kind, and its files by what became of them."""
    stores = Stores()
    try:
        partition = check_partition_key(request.path_params["partition"])
    except ForgeError as error:
        return PlainTextResponse(f"404 {error}", 404)
    found = stores.exports.get(partition)
    if found is None:
        return PlainTextResponse("404 No export is registered under this key.", 404)
    state = request.query_params.get("state")
    state = state if state in STATES else None
    skip = int(page) * PAGE if (page := request.query_params.get("page", "0")).isdecimal() else 0
    outcomes = Outcomes(stores.database)
    groups = outcomes.groups(partition)
    kinds = stores.database.rows(
        "select kind, rows, new_rows from forge.publications where partition = %s and rows > 0 order by 2 desc",
        (partition,),
    )
    records = outcomes.records(partition)
    total = sum(group.files for group in groups if state in (None, group.state))
    files = outcomes.files(partition, state, PAGE, skip)
    code, reason = stores.database.rows(
        "select code, reason from forge.exports where partition = %s", (partition,)
    )[0]
    body = [
        f"<p>{_link(ROUTE, 'all exports')}</p><h1>{escape(partition)}</h1>",
        f"<p>{_state(found.status)} · {found.bytes / 1e6:,.1f} MB{escape(_set_of(stores, partition))}</p>",
        f'<p class="refused">[{escape(code)}] {escape(reason or "")}</p>' if code else "",
        "<h2>Events</h2>",
        _table(
            ("kind", "rows#", "new in this export#"),
            [
                (_link(f"/assets/raw/{kind}?partition={partition}", kind), rows, new)
                for kind, rows, new in kinds
            ],
        ),
        "<h2>Files</h2>",
        _table(
            ("outcome", "reader", "why", "files#", "rows#"),
            [(_state(g.state), g.reader or "", g.reason, g.files, g.rows) for g in groups],
        ),
    ]
    for title, key in (
        ("Records set aside", "broken"),
        ("Records that are no event", "passed_over"),
        ("Records put right", "mended"),
    ):
        if records[key]:
            body += [f"<h2>{title}</h2>", _table(("why", "records#"), list(records[key].items()))]
    tabs = " ".join(
        f'<a class="{"here" if state == one else ""}" href="?{urlencode({"state": one or ""})}">{one or "all"}</a>'
        for one in (None, *STATES)
    )
    body += [
        f"<h2>Each file</h2><nav>{tabs}</nav>",
        _table(
            ("file", "outcome", "reader", "rows#", "set aside#", "why"),
            (
                (
                    file.name, _state(file.state), file.reader or "", file.rows, sum(file.broken.values()),
                    file.reason or ", ".join(f"{reason} {n:,}" for reason, n in file.broken.items()),
                )
                for file in files
            ),
        ),
        _pager(total, skip, state),
    ]  # fmt: skip
    return _page(partition, "".join(body))


class Html(str):
    """Markup of our own; any other text is escaped."""


def _state(state: str) -> Html:
    return Html(f'<span class="{escape(state)}">{escape(state)}</span>')


def _link(address: str, text: str) -> Html:
    return Html(f'<a href="{escape(address)}">{escape(text)}</a>')


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table; columns whose name ends in # stand right."""
    right = [name.endswith("#") for name in head]

    def cells(tag: str, row: Sequence[Any]) -> str:
        return "".join(
            f"<{tag}{' class=n' if at_right else ''}>{_cell(value)}</{tag}>"
            for value, at_right in zip(row, right, strict=True)
        )

    lines = [f"<tr>{cells('td', row)}</tr>" for row in rows]
    if not lines:
        return "<p>none</p>"
    return f"<table><tr>{cells('th', [name.rstrip('#') for name in head])}</tr>{''.join(lines)}</table>"


def _cell(value: Any) -> str:
    if isinstance(value, Html):
        return value
    return f"{value:,}" if isinstance(value, int) else escape(str(value))


def _set_of(stores: Stores, partition: str) -> str:
    for found in stores.exports.sets():
        if partition in found.parts:
            return f" · part {found.parts[partition]} of {found.name}{_absent(found.missing)}"
    return ""


def _absent(missing: Sequence[int]) -> str:
    return f", part {', '.join(map(str, missing))} missing" if missing else ""


def _pager(total: int, skip: int, state: str | None) -> str:
    if total <= PAGE:
        return ""
    here, last = skip // PAGE, (total - 1) // PAGE
    links = [
        f'<a href="?{urlencode({"state": state or "", "page": number})}">{text}</a>'
        for number, text in ((here - 1, "back"), (here + 1, "on"))
        if 0 <= number <= last
    ]
    return f"<p>{skip + 1:,} to {min(skip + PAGE, total):,} of {total:,} <nav>{' '.join(links)}</nav></p>"


def _page(title: str, body: str) -> Response:
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>{body}</body></html>",
        headers={
            "cache-control": "no-store",
            "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
        },
    )
