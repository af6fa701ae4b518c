"""HOW, without Dagster and without torch: the contract of events, export readers, privacy, evaluation."""
