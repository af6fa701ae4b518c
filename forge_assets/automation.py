"""When an asset is rebuilt without being asked: an input's content changed and nothing stands against it."""

from dagster import AutomationCondition

# eager() would rebuild on every upstream materialization, stop at one registered but unmaterialized export,
# and launch after a blocking check failed. First builds are `forge build`'s: nothing here fires on "missing".
FRESH = (
    AutomationCondition.any_deps_match(AutomationCondition.data_version_changed()).since_last_handled()
    & ~AutomationCondition.missing()
    & ~AutomationCondition.any_deps_in_progress()
    & ~AutomationCondition.in_progress()
    & AutomationCondition.all_deps_blocking_checks_passed()
).with_label("an input changed")
