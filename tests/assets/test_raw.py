"""Raw: an export is published once, whole or not at all, and never twice."""

from __future__ import annotations

import zipfile
from pathlib import Path

import dagster as dg
import pytest

from forge_core.errors import UsageError
from forge_resources.exports import check_partition_key
from tests.assets.conftest import checks, watched


def test_F_A6_the_same_export_again_changes_nothing_and_succeeds(forge, takeout):
    path = takeout(watched(1, 2, 3))
    forge.ingest(path)
    before = forge.stores.database.content_version("raw.watch")

    again = forge.ingest(path)

    assert again.success
    assert forge.stores.database.content_version("raw.watch") == before
    assert forge.stores.database.value("select new_rows from forge.publications where kind = 'watch'") == 0


@pytest.mark.parametrize("html", [False, True])
def test_F_A6_a_newer_overlapping_export_adds_only_what_is_new(forge, takeout, html):
    forge.ingest(takeout(watched(1, 2, 3)))

    newer = forge.ingest(takeout(watched(1, 2, 3, 4, 5), html=html))

    assert newer.success
    items = forge.stores.database.rows("select item from raw.watch order by time")
    assert [i for (i,) in items] == [f"youtube:vid{n:08d}" for n in (1, 2, 3, 4, 5)]


def test_the_same_video_twice_in_a_second_is_two_events_in_any_format(forge, takeout):
    twice = [watched(1)[0], watched(1)[0]]
    forge.ingest(takeout(twice))
    forge.ingest(takeout(twice, html=True))
    assert forge.stores.database.count("raw.watch") == 2


def test_a_bad_export_publishes_nothing_says_why_and_blocks_no_other(forge, takeout):
    good, bad = takeout(watched(1, 2)), takeout(watched(3, 4))
    export = forge.stores.exports.register(bad)
    export.path.chmod(0o600)
    export.path.write_bytes(b"<html><body>Sign in</body></html>")  # the copy broke after it was registered
    forge.instance.add_dynamic_partitions("exports", [export.partition])

    broken = forge._run("ingest", partition_key=export.partition)
    after = forge.ingest(good)

    assert broken.success, "a refused export is a state, not a failure"
    assert after.success
    passed, why = checks(broken)["raw/watch:every_export_readable"]
    assert not passed
    assert "FORGE-" in why
    assert (
        forge.stores.database.value(
            "select status from forge.exports where partition = %s", (export.partition,)
        )
        == "refused"
    )
    assert forge.stores.database.count("raw.watch") == 2


def test_several_exports_are_published_by_one_run(forge, takeout):
    exports = [forge.stores.exports.register(takeout(watched(n, n + 1))) for n in (1, 10, 20)]
    forge.instance.add_dynamic_partitions("exports", [e.partition for e in exports])
    tags = {
        "dagster/asset_partition_range_start": exports[0].partition,
        "dagster/asset_partition_range_end": exports[-1].partition,
    }

    result = forge._run("ingest", tags=tags)

    assert result.success
    assert forge.stores.database.count("raw.watch") == 6
    per_partition = {m.partition: m.metadata["dagster/partition_row_count"].value
                     for m in result.asset_materializations_for_node("raw_export")
                     if m.asset_key == dg.AssetKey(["raw", "watch"])}  # fmt: skip
    assert per_partition == {e.partition: 2 for e in exports}


@pytest.mark.parametrize(
    "key", ["x' OR 1=1 --", "../../etc", "🙂", "a" * 10_000, "", "takeout-XYZ", "takeout-0123456789ab\n"]
)
def test_F_O3_a_partition_key_that_is_none_is_refused(key):
    with pytest.raises(UsageError) as refused:
        check_partition_key(key)
    assert refused.value.code == "FORGE-PARTITION-KEY"
    assert key not in str(refused.value) or not key


def test_F_O3_a_key_made_up_in_the_ui_publishes_nothing(forge):
    forge.instance.add_dynamic_partitions("exports", ["takeout-0123456789ab"])
    result = forge._run("ingest", partition_key="takeout-0123456789ab")
    assert not result.success
    assert "FORGE-EXPORT-UNREGISTERED" in str(result.all_node_events[-1]) + str(result.all_events)
    assert forge.stores.database.value("select count(*) from forge.exports") == 0


def test_one_home_holds_one_population(forge, takeout, tmp_path: Path):
    forge.ingest(takeout(watched(1)))
    synthetic = tmp_path / "synthetic.zip"
    with zipfile.ZipFile(takeout(watched(2))) as source, zipfile.ZipFile(synthetic, "w") as archive:
        for name in source.namelist():
            archive.writestr(name, source.read(name))
        archive.writestr("Takeout/forge-synthetic.json", '{"synthetic": true, "seed": 1}')

    with pytest.raises(UsageError) as refused:
        forge.stores.exports.register(synthetic)

    assert refused.value.code == "FORGE-POPULATION"
    assert refused.value.exit_code == 2
    assert "FORGE_HOME=" in refused.value.fix
