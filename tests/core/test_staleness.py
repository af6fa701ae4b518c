"""The planner: pure, so that its promises are checked on graphs that nobody thought of."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from forge_core.staleness import Node, plan
from forge_resources.versions import BUILT, REFUSED, Version

CHAIN = {
    "raw/watch": Node((), "1"),
    "clean/watch": Node(("raw/watch",), "1"),
    "features/items": Node(("clean/watch",), "1"),
    "recommender/training_set": Node(("features/items",), "1"),
    "recommender/model": Node(("recommender/training_set",), "1"),
}


def fresh(graph: Mapping[str, Node]) -> dict[str, Version]:
    """Everything built from what is there now; an asset's content version is its own name."""
    return {
        key: Version(BUILT, key, node.code_version, {d: d for d in node.dependencies})
        for key, node in graph.items()
    }


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Node]:
    """Any graph without a circle: a node depends on earlier ones alone."""
    names = [f"n{i}" for i in range(draw(st.integers(1, 8)))]
    return {
        name: Node(tuple(draw(st.sets(st.sampled_from(names[:i]), max_size=3))) if i else (), "1")
        for i, name in enumerate(names)
    }


def descendants(graph: Mapping[str, Node], start: str) -> set[str]:
    found = {start}
    for key, node in graph.items():  # names are in topological order
        if found & set(node.dependencies):
            found.add(key)
    return found


@given(graphs())
def test_what_is_fresh_is_left_alone(graph: dict[str, Node]) -> None:
    assert plan(graph, fresh(graph)) == {}


@given(graphs())
def test_an_empty_home_builds_everything_after_what_it_rests_on(graph: dict[str, Node]) -> None:
    order = list(plan(graph, {}))

    assert set(order) == set(graph)
    assert all(order.index(d) < order.index(key) for key in order for d in graph[key].dependencies)


@given(graphs(), st.data())
def test_a_changed_code_version_makes_exactly_the_asset_and_its_descendants_stale(
    graph: dict[str, Node], data: st.DataObject
) -> None:
    versions = fresh(graph)
    changed = data.draw(st.sampled_from(sorted(graph)))
    graph = graph | {changed: Node(graph[changed].dependencies, "2")}

    planned = plan(graph, versions)

    assert set(planned) == descendants(graph, changed)
    assert planned[changed] == "code"


@given(graphs(), st.data())
def test_a_built_plan_leaves_nothing_to_plan(graph: dict[str, Node], data: st.DataObject) -> None:
    known = data.draw(st.sets(st.sampled_from(sorted(graph))))
    versions = {key: version for key, version in fresh(graph).items() if key in known}
    planned = plan(graph, versions)

    assert plan(graph, versions | {key: fresh(graph)[key] for key in planned}) == {}


@given(graphs(), st.data())
def test_nothing_below_a_refused_asset_is_planned(graph: dict[str, Node], data: st.DataObject) -> None:
    versions = fresh(graph)
    refused = data.draw(st.sampled_from(sorted(graph)))
    versions[refused] = Version(REFUSED, "", "1", versions[refused].inputs, "too little data")
    below = descendants(graph, refused) - {refused}

    assert not below & set(plan(graph, {k: v for k, v in versions.items() if k not in below}))


def test_a_new_export_makes_what_rests_on_it_stale_and_no_raw_table_is_planned() -> None:
    versions = fresh(CHAIN) | {"raw/watch": Version(BUILT, "another content", "1", {})}

    planned = plan(CHAIN, versions, never=["raw/watch"])

    assert list(planned) == [k for k in CHAIN if k != "raw/watch"]
    assert planned["clean/watch"] == "input"
    assert planned["features/items"] == "upstream"


def test_a_refused_asset_is_planned_again_when_its_input_changed() -> None:
    versions = fresh(CHAIN)
    versions["recommender/training_set"] = Version(REFUSED, "", "1", {"features/items": "older"}, "too few")

    assert plan(CHAIN, versions)["recommender/training_set"] == "input"


def test_a_refused_asset_stays_refused_while_nothing_changed() -> None:
    versions = fresh(CHAIN)
    versions["recommender/training_set"] = Version(
        REFUSED, "", "1", {"features/items": "features/items"}, "too few"
    )

    assert plan(CHAIN, versions) == {}


def test_what_gathers_whatever_is_there_is_built_beside_a_refused_input() -> None:
    graph = CHAIN | {
        "insights/topics": Node(("recommender/model",), "1"),
        "insights/evidence": Node(("features/items", "insights/topics"), "1", forgiving=True),
        "profile/model": Node(("insights/evidence",), "1"),
    }
    versions = fresh({key: graph[key] for key in list(CHAIN)[:3]})
    versions["recommender/training_set"] = Version(
        REFUSED, "", "1", {"features/items": "features/items"}, "Learning mode"
    )

    planned = plan(graph, versions)

    assert list(planned) == ["insights/evidence", "profile/model"]
    strict = graph | {"insights/evidence": Node(graph["insights/evidence"].dependencies, "1")}
    assert plan(strict, versions) == {}
