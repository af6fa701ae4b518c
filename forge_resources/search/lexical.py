"""Search by words: PostgreSQL's full text index, ranked by BM25 (Robertson and Zaragoza 2009).

PostgreSQL's own ranks do not know how rare a word is. A passage's score is the sum over the words of the query in it
of idf * tf * (k1 + 1) / (tf + k1 * (1 - b + b * length / mean length)), where idf = ln(1 + (N - n + 0.5) / (n + 0.5)).
Lengths are in different words. Counting a word's places is dear, so passages are first ranked by idf alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from forge_core.features.texts import CONFIGURATIONS, OTHERWISE
from forge_resources.vectors.filters import Condition

if TYPE_CHECKING:
    from psycopg import Connection

WORDS = 64  # of a query, the rarest: the others say little and match much
CANDIDATES = 1000  # by idf alone, whose score is worked out
K1, B = 1.2, 0.75
OF_LENGTH = 1000  # passages tell the mean length
TABLE = "features.chunks"


@dataclass(frozen=True)
class Word:
    """A lexeme of the query and what it weighs."""

    lexeme: str
    weight: float


def weighed(connection: Connection, query: str) -> list[Word]:
    """The lexemes of ``query`` in the languages there are, those that occur, the rarest first."""
    languages = [one for (one,) in connection.execute(f"select distinct language from {TABLE}").fetchall()]
    configurations = sorted({CONFIGURATIONS.get(one or "", OTHERWISE) for one in languages})
    found = connection.execute(
        f"""select lexeme, (select count(*) from {TABLE} where lexemes @@ {_QUERY}) as n,
              (select count(*) from {TABLE}) as everything
            from (select distinct lexeme from unnest(%s::regconfig[]) configuration,
                    unnest(to_tsvector(configuration, %s))) q""",
        (configurations, query.replace("\x00", " ")),
    ).fetchall()
    words = [
        Word(lexeme, math.log1p((everything - n + 0.5) / (n + 0.5))) for lexeme, n, everything in found if n
    ]
    return sorted(words, key=lambda word: (-word.weight, word.lexeme))[:WORDS]


# a lexeme as a query for itself: quoted, whatever is in it
_QUERY = "('''' || replace(replace(lexeme, E'\\\\', E'\\\\\\\\'), '''', '''''') || '''')::tsquery"


def nearest(connection: Connection, words: list[Word], k: int, where: Condition) -> list[str]:
    """Ids of the ``k`` best passages that the condition leaves, best first."""
    if not words:
        return []
    found = connection.execute(
        f"""with words as materialized (
              select lexeme, {_QUERY} as query, weight
              from unnest(%(lexemes)s::text[], %(weights)s::float8[]) w (lexeme, weight)),
            candidates as materialized (
              select chunk_id, lexemes from {TABLE} t
              where lexemes @@ (select string_agg(query::text, ' | ')::tsquery from words) and {where.sql}
              order by (select sum(weight) from words where t.lexemes @@ query) desc, length(lexemes), chunk_id
              limit {CANDIDATES}),
            mean as materialized (
              select avg(length(lexemes))::float8 as length
              from (select lexemes from {TABLE} limit {OF_LENGTH}) l)
            select chunk_id from candidates c, mean, lateral (
              select sum(weight * {K1 + 1} * tf
                / (tf + {K1} * (1 - {B} + {B} * length(c.lexemes) / mean.length))) as score
              from (select lexeme, cardinality(positions)::float8 as tf from unnest(c.lexemes)) l
              join words using (lexeme)) scored
            order by score desc, length(c.lexemes), chunk_id limit %(k)s""",
        {
            "lexemes": [word.lexeme for word in words],
            "weights": [word.weight for word in words],
            "k": k,
            **where.parameters,
        },
    )
    return [one for (one,) in found]
