"""The champion as it serves: loaded once in a process, with the newer items that it can place by their words."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from forge_core import keys
from forge_models.recommender import NEXT_ITEMS, RECOMMENDER
from forge_resources.consent import allowed
from forge_resources.registry import Serving
from forge_resources.stores import Stores

if TYPE_CHECKING:
    from forge_models.family import ModelFamily
    from forge_models.recommender.models import RecommenderModel

STATEFUL = (
    "sequential",
)  # candidates whose models may keep a state of each person; known without loading one
KEPT = 8  # models in memory: the champions of a few tasks, and those before them

_models: OrderedDict[tuple[str, ...], Any] = OrderedDict()
_lock = threading.Lock()


def model_version(stores: Stores, serving: Serving) -> list[str | None]:
    """What a served model's answers rest on besides the person: its version, and the catalogue's."""
    return [serving.version, serving.stamp, catalogue_version(stores)]


def catalogue_version(stores: Stores) -> str | None:
    """Which content of features/items there is."""
    query = "select data_version from forge.versions where asset = %s"
    return stores.database.value(query, (keys.ITEMS,))


def model(stores: Stores, serving: Serving) -> RecommenderModel:
    """The model, verified when it is loaded; with newcomers that somebody who consents has watched."""
    version = [str(part) for part in model_version(stores, serving)]
    version.append(stores.consent.version(RECOMMENDER.purpose))
    return _once(
        ("serving", stores.database.url, *version),
        lambda: _grown(stores, loaded(RECOMMENDER, NEXT_ITEMS.name, serving)),
    )


def loaded(family: ModelFamily, task: str, serving: Serving) -> Any:
    """The champion of one task, verified when it is loaded, and kept."""
    (which,) = (one for one in family.tasks if one.name == task)
    return _once(("model", str(serving.folder), serving.stamp), lambda: family.load(which, serving.folder))


def _once(key: tuple[str, ...], make: Any) -> Any:
    with _lock:
        if key in _models:
            _models.move_to_end(key)
            return _models[key]
    made = make()
    with _lock:
        _models[key] = made
        while len(_models) > KEPT:
            _models.popitem(last=False)
    return made


def _grown(stores: Stores, known: RecommenderModel) -> RecommenderModel:
    from forge_models.recommender.models import RecommenderModel

    if type(known).with_newcomers is RecommenderModel.with_newcomers:
        return known
    unknown = stores.database.rows(
        f"select item from {keys.table(keys.ITEMS)} where content is not null and not item = any(%s)",
        (known.items,),
    )
    if not unknown:
        return known
    import pyarrow as pa

    interactions = keys.table(keys.INTERACTIONS)
    columns = ("item", "content", "channel", "categories")
    rows = stores.database.rows(
        f"select {', '.join(columns)} from {keys.table(keys.ITEMS)} i where item = any(%s) and exists"
        f" (select from {interactions} t where t.item = i.item"
        f" and {allowed('t.subject', 't.source', RECOMMENDER.purpose)}) order by 1",
        ([item for (item,) in unknown],),
    )
    types = (pa.string(), pa.string(), pa.string(), pa.list_(pa.string()))
    table = pa.table(
        {
            name: pa.array([row[at] for row in rows], kind)
            for at, (name, kind) in enumerate(zip(columns, types, strict=True))
        }
    )
    return known.with_newcomers(table, table["item"].to_pylist())
