"""The one partitioning: raw tables by export. Keys are registered by `forge ingest` or the inbox sensor."""

from dagster import DynamicPartitionsDefinition

EXPORTS = DynamicPartitionsDefinition(name="exports")
