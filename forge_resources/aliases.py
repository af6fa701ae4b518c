"""Which version an alias names, asked of MLflow's tables in PostgreSQL: a millisecond, without importing MLflow."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

_QUERY = """
select a.version, v.run_id, v.creation_time from registered_model_aliases a
join model_versions v on v.name = a.name and v.version = a.version where a.name = %s and a.alias = %s
"""


def stored(uri: str, family: str, alias: str) -> tuple[str, str] | tuple[()] | None:
    """(version, stamp) that ``alias`` names; () where it names none; None where MLflow itself has to be asked.

    The stamp tells a version from another that has its number after a model was deleted and made again. The tables
    are those of MLflow 2.3 to 3.17; of any that differ, or with several workspaces in one store, nothing is guessed.
    """
    parts = urlsplit(uri)
    if parts.scheme.partition("+")[0] not in ("postgresql", "postgres"):
        return None
    import psycopg

    plain = urlunsplit(parts._replace(scheme="postgresql"))
    plain = (
        plain if "://" in plain else plain.replace(":", "://", 1)
    )  # urlunsplit drops the // of an empty host
    try:
        with psycopg.connect(plain) as connection:
            rows = connection.execute(_QUERY, (family, alias)).fetchall()
    except psycopg.errors.UndefinedTable:
        return ()  # MLflow has kept nothing here yet
    except psycopg.Error:
        return None
    if len(rows) > 1:
        return None
    return (str(rows[0][0]), f"{rows[0][1]}:{rows[0][2]}") if rows else ()
