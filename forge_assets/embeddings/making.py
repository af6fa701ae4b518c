"""How the rows and vectors of each space are made: by the text encoder, or in closed form from what occurs together."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from forge_core import keys
from forge_resources.chunking import words
from forge_resources.consent import allowed
from forge_resources.embedding import embed
from forge_resources.stores import Stores

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

DIMENSIONS = 64  # of closed forms: enough for a few thousand items
Log = Callable[[str], None]


@dataclass(frozen=True)
class Made:
    """``vectors`` (n, d), one for each of ``rows`` (a table with a column ``id``), of the encoder ``model``."""

    rows: "pa.Table"
    vectors: "np.ndarray"
    model: str
    metadata: dict[str, Any] = field(default_factory=dict)


def documents(stores: Stores, log: Log) -> Made:
    """Passages of mail, chats and documents that may be understood."""
    rows = stores.database.read(
        "select chunk_id as id, subject, source, export, kind, language, time, hash from features.chunks t"
        f" where {allowed('t.subject', 't.source', 'understand')} order by 1"
    )

    def texts(hashes: list[str]) -> dict[str, str]:
        query = (
            "select distinct on (hash) hash, title, text from features.chunks where hash = any(%s) order by 1"
        )
        return {one: words(title, text) for one, title, text in stores.database.rows(query, (hashes,))}

    return _of_text(stores, "documents", rows, texts, log)


def item_texts(stores: Stores, log: Log) -> Made:
    """Items by their words: title, channel, categories."""
    rows = stores.database.read(
        "select item as id, md5(content) as hash from features.items t where content is not null and exists"
        " (select from features.interactions i where i.item = t.item"
        f" and {allowed('i.subject', 'i.source', 'recommend')}) order by 1"
    )

    def texts(hashes: list[str]) -> dict[str, str]:
        query = "select distinct on (hash) hash, content from (select md5(content) as hash, content from features.items"
        return dict(stores.database.rows(f"{query}) i where hash = any(%s) order by 1", (hashes,)))

    return _of_text(stores, "item_texts", rows, texts, log)


def _of_text(stores: Stores, space: str, rows: "pa.Table", texts: Callable, log: Log) -> Made:
    import numpy as np

    if not rows.num_rows:  # no encoder is loaded for nothing
        return Made(rows, np.zeros((0, 1), np.float32), "none")
    encoder = stores.encoder
    log(f"{rows.num_rows:,} rows; {encoder.name} by {encoder.backend}")
    found = embed(
        stores, space, rows, texts, lambda done, total: log(f"{done:,} of {total:,} new texts encoded")
    )
    metadata = {
        "encoder": encoder.name,
        "computed_by": encoder.backend,
        "distinct_texts": found.texts,
        "encoded_now": found.encoded,
    }
    return Made(found.rows, found.vectors, encoder.identity, metadata)


def items(stores: Stores, log: Log) -> Made:
    """Items by who watches them: shifted PPMI of what two people know, factorised."""
    interactions = stores.database.read(
        f"select subject, item from features.interactions t where {allowed('t.subject', 't.source', 'recommend')}"
        " order by 1, 2"
    )
    return _closed_form(stores, interactions, "item co-occurrence")


def places(stores: Stores, log: Log) -> Made:
    """A person's places by the weeks in which they are visited: those of one part of life lie close."""
    import pyarrow as pa

    may = allowed("t.subject", "t.source", "forecast")
    visits = stores.database.read(
        "select subject || ' ' || date_trunc('week', arrived_at)::date as subject, subject || ' ' || place as item"
        f" from features.place_sequences t where {may} group by 1, 2 order by 1, 2"
    )
    made = _closed_form(stores, visits, "place co-occurrence")
    whose = {
        one: rest
        for one, *rest in stores.database.rows(
            "select subject || ' ' || place, subject, min(source), min(export), place"
            f" from features.place_sequences t where {may} group by 1, 2, place"
        )
    }
    ids = made.rows["id"].to_pylist()
    columns = {
        name: pa.array([whose[one][number] for one in ids], pa.string())
        for number, name in enumerate(("subject", "source", "export", "place"))
    }
    return Made(pa.table({"id": ids, **columns}), made.vectors, made.model)


def _closed_form(stores: Stores, pairs: "pa.Table", name: str) -> Made:
    import pyarrow as pa

    from forge_models.recommender.vectors import co_occurrence_vectors

    ids, vectors = co_occurrence_vectors(pairs, dim=DIMENSIONS, seed=stores.settings.seed)
    return Made(pa.table({"id": pa.array(ids, pa.string())}), vectors, f"{name} {DIMENSIONS}")


def persons(stores: Stores, log: Log) -> Made:
    """Who wrote, by what they wrote: the mean of their passages' vectors, in the space of the text encoder."""
    import numpy as np
    import pyarrow as pa

    space = stores.vectors.space("documents")
    if space is None:
        return Made(pa.table({"id": pa.array([], pa.string())}), np.zeros((0, 1)), "none")
    encoder = stores.encoder
    space.expect(encoder.identity)
    found = stores.database.read(
        "select c.subject || ' ' || c.author as id, c.subject, min(c.source) as source, min(c.export) as export,"
        " c.author, count(*) as passages, mode() within group (order by c.language) as language,"
        " avg(d.vector::vector)::real[] as vector"
        f" from {keys.table(keys.DOCUMENT_VECTORS)} d join features.chunks c on c.chunk_id = d.id"
        " where c.author is not null group by c.subject, c.author having count(*) >= 3 order by 1"
    )
    vectors = np.array(found["vector"].to_pylist(), np.float32).reshape(found.num_rows, -1)
    return Made(found.drop_columns(["vector"]), vectors, encoder.identity)
