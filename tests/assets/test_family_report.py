"""What a candidate found while it was fitted is shown by the family's ``model`` asset, and nobody's words are."""

from __future__ import annotations

from datetime import timedelta

import pyarrow.compute as pc

from forge_core import keys
from tests.assets.events import START, told
from tests.models.data import tastes


def test_the_model_asset_shows_selection_and_reduction_without_a_word_of_an_item(forge):
    rows = tastes(subjects=30)[keys.INTERACTIONS]
    first = pc.min(rows["first_time"]).as_py()
    events = [
        {
            "subject": f"p_{row['subject']}",
            "item": f"youtube:{row['item'][5:]}",
            "time": START + timedelta(seconds=(row["first_time"] - first).total_seconds()),
            "title": f"Title{int(row['item'][-5:]) // 30} Secret",
            "channel": "Channel",
        }
        for row in rows.to_pylist()
    ]
    forge.stores.consent.grant_all("test")
    told(forge.stores, "watch", events)

    result = forge.build(
        keys.consent("recommend"),
        keys.clean("watch"),
        keys.INTERACTIONS,
        keys.ITEMS,
        *(keys.family("recommender", stage) for stage in ("training_set", "tuning", "model")),
    )

    assert result.success
    shown = result.asset_materializations_for_node("recommender__model")[0].metadata
    selection = str(shown["content_selection"].value)
    assert "| feature | mutual information |" in selection
    assert "| reduced_text |" in selection
    assert "explained variance" in str(shown["content_reduction"].value)
    assert "Secret" not in str(shown)
