"""Compute classes: where a step runs, how often it is tried again."""

from dagster import Backoff, Jitter, RetryPolicy

from forge_resources.executors import COMPUTE_TAG

LIGHT = {COMPUTE_TAG: "cpu"}  # seconds of work, in the run's own process
HEAVY = {COMPUTE_TAG: "cpu_heavy"}  # its memory must go back to the system: a child of its own

# Three tries again, as the seeds ask: a failure is most often the machine's (memory, disk), and steps may repeat.
RETRIES = RetryPolicy(max_retries=3, delay=2, backoff=Backoff.EXPONENTIAL, jitter=Jitter.PLUS_MINUS)
