"""When an asset is rebuilt without being asked: an input's content changed and nothing stands against it."""

from dagster import AssetSelection, AutomationCondition

from forge_assets.outcome import keys as as_keys


def fresh(*after: str) -> AutomationCondition:
    """Rebuild when the content of an input changed; with ``after``, of one of these inputs alone.

    A family's later stages name the stage before them, so that a new training set is not evaluated with the
    old model first. eager() would rebuild on every upstream materialization, stop at one registered but
    unmaterialized export, and launch after a blocking check failed. First builds are `forge build`'s:
    nothing here fires on "missing".
    """
    changed = AutomationCondition.any_deps_match(AutomationCondition.data_version_changed())
    if after:
        changed = changed.allow(AssetSelection.assets(*as_keys(after)))
    return (
        changed.since_last_handled()
        & ~AutomationCondition.missing()
        & ~AutomationCondition.any_deps_in_progress()
        & ~AutomationCondition.in_progress()
        & AutomationCondition.all_deps_blocking_checks_passed()
    ).with_label("an input changed")


FRESH = fresh()
