"""The project's graph twice: with our executor, and with Dagster's default multiprocess one."""

from dagster import multiprocess_executor

from definitions import build_defs

ours = build_defs()
stock = build_defs(executor=multiprocess_executor)
