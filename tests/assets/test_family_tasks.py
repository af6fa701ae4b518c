"""The factory on a family of two tasks: each has its own training rows, champion and place on the pages."""

from __future__ import annotations

import dagster as dg
import pyarrow as pa
import pytest

from forge_assets.families import family_assets
from forge_assets.families.bundle import Bundle
from forge_assets.insights import insights
from forge_core import keys
from forge_resources.stores import Stores
from tests.assets.conftest import checks
from tests.assets.toy_family import Toy
from tests.models.data import tastes


@pytest.fixture
def features(stores: Stores) -> Stores:
    """Interactions of thirty people, as an earlier build left them."""
    rows = tastes(subjects=30)[keys.INTERACTIONS]
    rows = rows.set_column(
        rows.schema.get_field_index("source"), "source", pa.array(["youtube"] * rows.num_rows)
    )
    stores.database.write(keys.table(keys.INTERACTIONS), rows)
    stores.database.write(keys.table(keys.ITEMS), pa.table({"item": ["a"], "content": ["words"]}))
    stores.database.write(
        keys.table(keys.SUBJECTS),
        pa.table({name: pa.array([], pa.string()) for name in ("subject", "attribute", "value")}),
    )
    stores.consent.grant_all("test")
    return stores


def build(stores: Stores, family: Toy) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [*family_assets(family), insights(family)],
        resources={"stores": stores},
        instance=dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
    )


def test_each_task_has_its_own_champion_and_the_insight_hears_both(features):
    result = build(features, Toy(plenty=True))

    assert result.success
    rows = features.database.rows("select task, model, version, candidate from toy.champion order by 1")
    assert rows == [("counts", "toy.counts", "1", "mean"), ("strengths", "toy.strengths", "1", "mean")]
    assert features.database.rows("select task from insights.totals order by 1") == [
        ("counts",),
        ("strengths",),
    ]
    evaluated = result.asset_materializations_for_node("toy__evaluation")[0].metadata
    assert {"counts_error", "strengths_error", "counts_said", "strengths_metrics"} <= evaluated.keys()
    assert "### counts: toy.counts v1, mean" in features.database.value("select markdown from toy.card")


def test_a_task_with_too_little_data_is_in_learning_mode_and_the_other_goes_on(features):
    result = build(features, Toy(plenty=False))

    assert result.success
    passed, why = checks(result)["toy/training_set:ready"]
    assert passed
    assert "strengths: rows:" in why
    assert features.database.rows("select task from toy.champion") == [("counts",)]
    assert features.database.rows("select task from insights.totals") == [("counts",)]
    assert "**Learning mode** (too little data yet): strengths." in features.database.value(
        "select markdown from toy.card"
    )


def test_rows_of_a_task_that_lost_its_data_do_not_stay(features):
    build(features, Toy(plenty=True))
    assert features.database.exists("toy.training_set_strengths")

    build(features, Toy(plenty=False))

    assert not features.database.exists("toy.training_set_strengths")


def test_F_D3_a_task_whose_model_does_not_beat_its_baseline_keeps_no_champion(features):
    family = Toy(plenty=True)
    worse = [one for one in family.tasks[1].candidates if one.is_baseline]
    good = family.tasks[1].candidates[0]
    object.__setattr__(good, "factor", -9.0)
    assert worse

    result = build(features, family)

    assert result.success
    assert not checks(result)["toy/evaluation:beats_baseline"][0]
    assert features.registry.version("toy.strengths", "champion") is None


def test_a_candidate_that_needs_a_model_takes_part_only_where_one_is_named(features):
    """And what it needs reaches its fit."""
    assert build(features, Toy(plenty=True)).success
    tried = "select distinct candidate from toy.tuning order by 1"
    assert features.database.rows(tried) == [("mean",), ("nothing",)]

    named = features.settings.model_copy(update={"models": {"sentiment": "owner/model"}})
    assert build(Stores(named), Toy(plenty=True)).success
    assert features.database.rows(tried) == [("given",), ("mean",), ("nothing",)]
    lane = Bundle(Toy(plenty=True)).lanes[0]
    run = Bundle(Toy(plenty=True)).training_run(
        Stores(named), "0", lane, lane.task.candidates[0], {}, time_budget_s=1.0
    )
    assert run.models == {"sentiment": "owner/model"}
    assert run.incumbent() is not None
