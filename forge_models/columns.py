"""Columns of tables as families need them, whatever a database or a reader made of them."""

from __future__ import annotations

import pyarrow as pa


def texts(column: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """As text, whatever a uuid came as: text, 16 bytes or an extension type."""
    if pa.types.is_string(column.type):
        return column
    if pa.types.is_large_string(column.type):
        return column.cast(pa.string())
    import uuid

    values = column.to_pylist()
    plain = [str(uuid.UUID(bytes=one)) if isinstance(one, bytes) else one and str(one) for one in values]
    return pa.array(plain, pa.string())
