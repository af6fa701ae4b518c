"""Compute classes: where a step runs, how often it is tried again."""

from dagster import Backoff, Jitter, RetryPolicy

from forge_resources.executors import COMPUTE_TAG
from forge_resources.settings import load_settings

LIGHT = {COMPUTE_TAG: "cpu"}  # seconds of work, in the run's own process
HEAVY = {COMPUTE_TAG: "cpu_heavy"}  # its memory must go back to the system: a child of its own

# A failure is most often the machine's (memory, disk), and every step may be repeated.
RETRIES = RetryPolicy(
    max_retries=load_settings().training_retries,
    delay=2,
    backoff=Backoff.EXPONENTIAL,
    jitter=Jitter.PLUS_MINUS,
)
