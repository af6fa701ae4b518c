"""WITH WHAT: settings, the embedded stack and the stores, each usable with and without a Dagster run."""
