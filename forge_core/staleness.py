"""Which assets must be built: pure, from the graph and the versions each was last built from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Protocol


class Built(Protocol):
    """The last outcome of an asset (see ``forge_resources.versions.Version``)."""

    @property
    def state(self) -> str: ...
    @property
    def data_version(self) -> str: ...
    @property
    def code_version(self) -> str: ...
    @property
    def inputs(self) -> Mapping[str, str]: ...


@dataclass(frozen=True)
class Node:
    """An asset of the graph: what it depends on and the version of its code.

    ``forgiving``: it is built from whatever is there; a refused input does not hold it back.
    """

    dependencies: tuple[str, ...]
    code_version: str
    forgiving: bool = False


def plan(
    graph: Mapping[str, Node], versions: Mapping[str, Built], never: Iterable[str] = ()
) -> dict[str, str]:
    """Assets to build in order, each with the reason: missing, code, input or upstream.

    An asset whose input was refused (no consent, too little data) is not planned until that input is
    built again, unless it is forgiving; ``never`` names assets that are only made elsewhere (raw tables are made by
    exports).
    """
    order = TopologicalSorter({key: node.dependencies for key, node in graph.items()}).static_order()
    skip = set(never)
    planned: dict[str, str] = {}
    withheld: set[str] = set()
    for key in order:
        if key not in graph or key in skip:
            continue
        node, last = graph[key], versions.get(key)
        upstream = [d for d in node.dependencies if d in planned]
        refused = any(
            d in withheld or (d not in planned and (d in versions and versions[d].state != "built"))
            for d in node.dependencies
        )
        if refused and not node.forgiving:
            withheld.add(key)
        elif upstream:
            planned[key] = "upstream"
        elif last is None:
            planned[key] = "missing"
        elif last.code_version != node.code_version:
            planned[key] = "code"
        elif any(d in versions and last.inputs.get(d) != versions[d].data_version for d in node.dependencies):
            planned[key] = "input"
    return planned
