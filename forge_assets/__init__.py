"""WHAT is built: every table, index and model as a Dagster asset, a thin shell around rooms below."""
