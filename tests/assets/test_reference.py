"""Public sets and the name recogniser as assets: what is at hand, what is not, and what a folder adds."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from forge_assets.reference import reference_assets
from forge_core import keys
from forge_models.nlp import recogniser
from forge_resources import public_sets
from forge_resources.settings import load_settings
from forge_resources.stores import Stores


def build(stores: Stores, *wanted: str) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        reference_assets(),
        selection=[dg.AssetKey(key.split("/")) for key in wanted],
        resources={"stores": stores},
        instance=dg.DagsterInstance.ephemeral(),
    )


def test_a_set_ships_or_is_empty_and_says_so(stores: Stores) -> None:
    result = build(stores, *(keys.reference(name) for name in ("uci_sentences", "sst2")))

    told = {
        "/".join(event.asset_key.path): event.materialization.metadata
        for event in result.get_asset_materialization_events()
    }
    assert stores.database.count("reference.uci_sentences") == 3_000
    assert stores.database.count("reference.sst2") == 0
    assert told["reference/uci_sentences"]["at_hand"].value is True
    assert told["reference/sst2"]["at_hand"].value is False
    assert told["reference/uci_sentences"]["licence"].value == "CC BY 4.0"


def test_a_folder_in_the_settings_fills_a_set_and_changes_its_version(stores: Stores, tmp_path: Path) -> None:
    for part in ("train", "dev", "test"):
        (tmp_path / f"{part}.tsv").write_text("a fine film\t1\na poor film\t0\n")
    before = public_sets.version(stores.settings, "sst2")
    settings = load_settings(home=stores.settings.home, reference_sets={"sst2": tmp_path})
    with_it = Stores(settings.model_copy(update={"postgres_url": stores.settings.postgres_url}))
    build(with_it, keys.reference("sst2"))

    assert stores.database.count("reference.sst2") == 6
    assert before == public_sets.ABSENT != public_sets.version(settings, "sst2")
    first = public_sets.version(settings, "sst2")
    (tmp_path / "test.tsv").write_text("another film\t1\n")
    assert public_sets.version(settings, "sst2") != first


@pytest.mark.timeout(120)
def test_the_recogniser_finds_names_before_anybody_was_asked(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing personal is in this home, and no consent."""
    from forge_models.nlp.candidates import ENTITIES

    lexicon = next(one for one in ENTITIES if one.name == "lexicon")
    monkeypatch.setattr(recogniser, "chosen", lambda run: lexicon)  # the others read 4,000 sentences
    result = build(stores, keys.reference("wnut17"), keys.reference("conll2003"), keys.NAME_RECOGNISER)

    told = result.asset_materializations_for_node("reference__name_recogniser")[0].metadata
    assert told["learned_from"].value == "wnut17"
    assert 0.05 < told["test_f1"].value < 0.5
    tagger = recogniser.load(recogniser.folder(stores.settings.home))
    assert len(recogniser.find(tagger, ["Ada went to Paris."])) == 1
