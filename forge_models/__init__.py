"""HOW, the learning: one folder per family, the contract they share, the artifact format. No Dagster."""
