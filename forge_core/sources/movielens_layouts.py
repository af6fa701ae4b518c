"""The two layouts of MovieLens, read in columns: ratings in blocks, the small tables whole."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, BinaryIO

from forge_core.archives import Archive, Member
from forge_core.events import TimeFlag, arrow_schema
from forge_core.sources.base import BATCH_ROWS, Batch, Context, MemberReport, guarded
from forge_core.times import parse_epoch

if TYPE_CHECKING:
    import pyarrow as pa

TABLE_MAX = 64 << 20  # movies, people and id maps have some 100 kB
AGES = {
    "1": "under 18", "18": "18-24", "25": "25-34", "35": "35-44", "45": "45-49", "50": "50-55",
    "56": "56 and over",
}  # fmt: skip
OCCUPATIONS = (
    "other", "academic or educator", "artist", "clerical or admin", "college or grad student",
    "customer service", "doctor or health care", "executive or managerial", "farmer", "homemaker",
    "K-12 student", "lawyer", "programmer", "retired", "sales or marketing", "scientist", "self-employed",
    "technician or engineer", "tradesman or craftsman", "unemployed", "writer",
)  # fmt: skip
_LINE = re.compile(r"\r?\n")


class _Ascii(io.RawIOBase):
    """Ids and numbers are ASCII: other bytes become \\x01, which no id has; Arrow meets no bad UTF-8."""

    _table = bytes(byte if byte < 128 and byte != 0 else 1 for byte in range(256))

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(size).translate(self._table)


class Layout:
    """What both layouts share: titles and genres by item, attributes by subject, watch rows in columns."""

    def __init__(
        self, set_name: str, archive: Archive, parts: Mapping[str, Member], context: Context
    ) -> None:
        self.set_name, self.archive, self.parts, self.report = set_name, archive, parts, context.report
        self.films: dict[str, tuple[str | None, list[str] | None]] = {}

    def member(self, role: str) -> MemberReport:
        return self.report.member(self.parts[role].name, "movielens")

    def lines(self, role: str) -> list[str]:
        """The lines of a small table; GroupLens writes Latin-1, RecBole UTF-8."""
        if role not in self.parts:
            return []
        with self.archive.open(self.parts[role]) as stream:
            data = stream.read(TABLE_MAX)
        self.member(role)
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = data.decode("latin-1")
        return [line for line in _LINE.split(text.replace("\0", "")) if line]

    def blocks(self, role: str, names: list[str], skip: int) -> Iterator[pa.Table]:
        """The large table in blocks of lines, all columns text; lines with other columns are quarantined."""
        import pyarrow as pa
        import pyarrow.csv as csv

        report = self.member(role)

        def invalid(row: Any) -> str:
            report.quarantined["malformed"] += 1
            return "skip"

        delimiter = "\t" if skip else " "
        reading = csv.ReadOptions(block_size=1 << 20, column_names=names, skip_rows=skip, use_threads=False)
        parsing = csv.ParseOptions(delimiter=delimiter, quote_char=False, invalid_row_handler=invalid)
        types = dict.fromkeys(names, pa.string())
        with self.archive.open(self.parts[role]) as stream:
            try:
                converting = csv.ConvertOptions(column_types=types, strings_can_be_null=False)
                yield from csv.open_csv(_Ascii(stream), reading, parsing, converting)
            except pa.ArrowInvalid:
                report.quarantined["malformed"] += 1

    def watch(self, member: str, subjects: Any, items: Any, columns: Mapping[str, Any]) -> Batch:
        """One batch of watch rows; titles and genres are looked up by item."""
        import pyarrow as pa
        import pyarrow.compute as pc

        keys = pa.array(list(self.films), pa.string())
        at = pc.index_in(items, keys)
        titles = pa.array([film[0] for film in self.films.values()], pa.string())
        genres = pa.array([film[1] for film in self.films.values()], pa.list_(pa.string()))
        given = dict(columns) | {
            "subject": pc.binary_join_element_wise(self.set_name, subjects, ":"),
            "item": pc.binary_join_element_wise(self.set_name, items, ":"),
            "title": pc.take(titles, at),
            "categories": pc.take(genres, at),
        }
        schema = arrow_schema("watch")
        count = len(items)
        arrays = [
            given[field.name].cast(field.type) if field.name in given else pa.nulls(count, field.type)
            for field in schema
        ]
        self.report.member(member).rows["watch"] += count
        return Batch("watch", "movielens", member, pa.RecordBatch.from_arrays(arrays, schema=schema))

    def preferences(self, role: str, told: list[tuple[str, str, str]]) -> Iterator[Batch]:
        """(subject, attribute, value) as preference rows of unknown time."""
        import pyarrow as pa

        member = self.member(role)
        for start in range(0, len(told), BATCH_ROWS):
            part = told[start : start + BATCH_ROWS]
            rows = [
                {
                    "subject": f"{self.set_name}:{subject}",
                    "item": f"attribute:{attribute}",
                    "time_flag": TimeFlag.UNKNOWN.value,
                    "sequence": 0,
                    "value": value,
                }
                for subject, attribute, value in part
            ]
            member.rows["preference"] += len(rows)
            yield Batch(
                "preference", "movielens", member.member,
                pa.RecordBatch.from_pylist(rows, schema=arrow_schema("preference")),
            )  # fmt: skip


class Atomic(Layout):
    """RecBole: tab-separated with ``name:type`` headers; a time for each rating."""

    def batches(self) -> Iterator[Batch]:
        if "item" in self.parts:
            yield from guarded(self.member("item"), self._items, lookup=True)
        yield from guarded(self.member("inter"), self._ratings)
        if "user" in self.parts:
            yield from guarded(self.member("user"), self._people)

    def _table(self, role: str) -> Iterator[dict[str, str]]:
        lines = self.lines(role)
        names = [name.partition(":")[0] for name in lines[0].split("\t")] if lines else []
        for line in lines[1:]:
            values = line.split("\t")
            if len(values) == len(names) and values[0]:
                yield dict(zip(names, values, strict=True))
            else:
                self.member(role).quarantined["malformed"] += 1

    def _items(self) -> Iterator[Batch]:
        for row in self._table("item"):
            title, year = row.get("movie_title", ""), row.get("release_year", "")
            if title and re.fullmatch(r"\d{4}", year):
                title = f"{title} ({year})"
            self.films[row["item_id"]] = (title or None, row.get("class", "").split() or None)
        yield from ()

    def _people(self) -> Iterator[Batch]:
        told = [
            (row["user_id"], attribute, row[attribute])
            for row in self._table("user")
            for attribute in ("gender", "age", "occupation")
            if row.get(attribute)
        ]
        yield from self.preferences("user", told)

    def _ratings(self) -> Iterator[Batch]:
        import pyarrow as pa
        import pyarrow.compute as pc

        member, position = self.member("inter"), 0
        for block in self.blocks("inter", ["user", "item", "rating", "time"], skip=1):
            number = r"^[0-9]{1,10}(\.[0-9]{1,6})?$"
            sound = pc.and_(
                pc.and_(pc.match_substring_regex(block["user"], r"^[!-~]{1,64}$"),
                        pc.match_substring_regex(block["item"], r"^[!-~]{1,64}$")),
                pc.and_(pc.match_substring_regex(block["rating"], number),
                        pc.match_substring_regex(block["time"], number)),
            )  # fmt: skip
            sequence = pa.array(range(position, position + block.num_rows), pa.int64()).filter(_one(sound))
            position += block.num_rows
            rows = block.filter(sound)
            if broken := block.num_rows - rows.num_rows:
                member.quarantined["malformed"] += broken
            if not rows.num_rows:
                continue
            moments = [parse_epoch(value) for value in rows["time"].to_pylist()]
            yield self.watch(
                member.member, _one(rows["user"]), _one(rows["item"]),
                {
                    "time": pa.array([at and at.micros for at in moments], pa.int64()),
                    "zone": pa.array([at and at.zone for at in moments], pa.string()),
                    "time_flag": pa.array([at and at.flag for at in moments], pa.string()),
                    "sequence": sequence,
                    "rating": _one(rows["rating"].cast(pa.float64())),
                },
            )  # fmt: skip


class Sequential(Layout):
    """SASRec: ``user item`` lines in each person's order, ids renumbered; the maps lead back."""

    def batches(self) -> Iterator[Batch]:
        yield from guarded(self.member("movies"), self._movies, lookup=True)
        yield from guarded(self.member("order"), self._order)
        yield from guarded(self.member("users"), self._people)

    def _movies(self) -> Iterator[Batch]:
        for line in self.lines("movies"):
            values = line.split("::")
            if len(values) == 3:
                self.films[values[0]] = (values[1], values[2].split("|"))
            else:
                self.member("movies").quarantined["malformed"] += 1
        yield from ()

    def _people(self) -> Iterator[Batch]:
        told = []
        for line in self.lines("users"):
            values = line.split("::")
            if len(values) != 5 or not values[3].isdecimal() or int(values[3]) >= len(OCCUPATIONS):
                self.member("users").quarantined["malformed"] += 1
                continue
            person, gender, age, occupation, _ = values
            told.append((person, "gender", gender))
            told.append((person, "age", AGES.get(age, age)))
            told.append((person, "occupation", OCCUPATIONS[int(occupation)]))
        yield from self.preferences("users", told)

    def _map(self, role: str) -> tuple[Any, Any]:
        import pyarrow as pa

        pairs = [line.split(" ") for line in self.lines(role)]
        sound = [pair for pair in pairs if len(pair) == 2]
        ours, theirs = [pair[0] for pair in sound], [pair[1] for pair in sound]
        return pa.array(ours, pa.string()), pa.array(theirs, pa.string())

    def _order(self) -> Iterator[Batch]:
        import pyarrow as pa
        import pyarrow.compute as pc

        member, seen = self.member("order"), {}  # type: ignore[var-annotated]
        people, films = self._map("user_ids"), self._map("item_ids")
        for block in self.blocks("order", ["user", "item"], skip=0):
            user = pc.take(people[1], pc.index_in(_one(block["user"]), people[0]))
            item = pc.take(films[1], pc.index_in(_one(block["item"]), films[0]))
            sound = pc.and_(pc.is_valid(user), pc.is_valid(item))
            if broken := block.num_rows - (pc.sum(sound).as_py() or 0):
                member.quarantined["id not in the map"] += broken
            user, item = user.filter(sound), item.filter(sound)
            if not len(user):
                continue
            sequence = _positions(user.to_pylist(), seen)
            yield self.watch(
                member.member, user, item,
                {
                    "time_flag": pa.repeat(TimeFlag.UNKNOWN.value, len(user)),
                    "sequence": pa.array(sequence, pa.int64()),
                },
            )  # fmt: skip


def _positions(subjects: list[str], seen: dict[str, int]) -> list[int]:
    """The position of each line among the lines of its subject."""
    positions = []
    for subject in subjects:
        seen[subject] = position = seen.get(subject, -1) + 1
        positions.append(position)
    return positions


def _one(column: Any) -> Any:
    """A column of a block as one array."""
    import pyarrow as pa

    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
