"""A small client of Dagster's GraphQL: what the command asks of the UI, and nothing of Dagster imported.

The command starts runs through the code location, as the UI's Materialize button does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from forge_cli import queries
from forge_core import keys
from forge_core.errors import ForgeError
from forge_core.staleness import Node

if TYPE_CHECKING:
    import httpx

PARTITIONS = "exports"
ASSET_JOB = "__ASSET_JOB"
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
ACTIVE = ("QUEUED", "NOT_STARTED", "MANAGED", "STARTING", "STARTED", "CANCELING")
POLL_SECONDS = 0.3  # a person does not see less; an idle look at the log costs milliseconds
PAGE = 1000


@dataclass(frozen=True)
class Event:
    """One thing that happened in a run: started, succeeded, failed, skipped, materialized, checked or log."""

    kind: str
    step: str | None
    at: float
    asset: str | None = None
    message: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Outcome:
    """How a run ended."""

    run: str
    status: str = "STARTED"
    steps: dict[str, str] = field(default_factory=dict)
    materialized: dict[str, dict[str, Any]] = field(default_factory=dict)
    checks: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return self.status == "SUCCESS"

    def take(self, event: Event) -> None:
        if event.kind in ("started", "succeeded", "failed", "skipped") and event.step:
            self.steps[event.step] = event.kind
        if event.kind == "failed":
            self.failures.append({"step": event.step or "run", "message": event.message})
        elif event.kind == "materialized" and event.asset:
            self.materialized[event.asset] = dict(event.detail)
        elif event.kind == "checked":
            self.checks.append({"asset": event.asset, **event.detail})

    def as_dict(self) -> dict[str, Any]:
        return {
            "run": self.run,
            "status": self.status.lower(),
            "seconds": round(self.seconds, 1),
            "failures": self.failures,
        }


class Dagster:
    """The webserver of a running ``forge up``, or of the processes started for one command."""

    def __init__(self, url: str) -> None:
        import httpx

        self.url = url
        # trust_env off: a proxy of the environment must not see what goes to loopback
        self._http: httpx.Client = httpx.Client(base_url=url, timeout=60, trust_env=False)
        self._repository: tuple[str, str] | None = None

    def ask(self, query: str, **variables: Any) -> Any:
        """The ``data`` of an answer; what goes wrong is said without the query's variables."""
        import httpx

        try:
            answer = self._http.post("/graphql", json={"query": query, "variables": variables})
            content = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ForgeError(
                "FORGE-UI-DOWN",
                "The Dagster UI does not answer.",
                type(error).__name__,
                "Look at `forge doctor`.",
            ) from None
        if content.get("errors") or content.get("data") is None:
            messages = "; ".join(str(e.get("message")) for e in content.get("errors") or [content])
            raise ForgeError("FORGE-UI-QUERY", "The Dagster UI refused a question.", messages[:500])
        return content["data"]

    @property
    def repository(self) -> tuple[str, str]:
        """(repository, location): there is one code location."""
        if self._repository is None:
            found = self.ask(queries.REPOSITORIES)["repositoriesOrError"]
            nodes = found.get("nodes") or []
            if not nodes:
                why = str(found.get("message", "")).strip().splitlines()[-1:] or [""]
                raise ForgeError("FORGE-CODE-LOCATION", "The code location does not load.", why[0][:300])
            self._repository = (nodes[0]["name"], nodes[0]["location"]["name"])
        return self._repository

    def graph(self) -> dict[str, Node]:
        """Every asset with what it depends on and the version of its code."""
        return {
            path(node["assetKey"]): Node(
                tuple(sorted(path(d) for d in node["dependencyKeys"])),
                node["opVersion"] or "",
                forgiving=path(node["assetKey"]) in keys.FORGIVING,
            )
            for node in self.ask(queries.GRAPH)["assetNodes"]
        }

    def checks(self) -> dict[str, list[dict[str, Any]]]:
        """The last word of every check, by asset; checks that never ran have ``passed`` None."""
        found: dict[str, list[dict[str, Any]]] = {}
        for node in self.ask(queries.CHECKS)["assetNodes"]:
            for check in node["assetChecksOrError"].get("checks", []):
                last = (check["executionForLatestMaterialization"] or {}).get("evaluation") or {}
                found.setdefault(path(node["assetKey"]), []).append(
                    {
                        "name": check["name"],
                        "blocking": check["blocking"],
                        "passed": last.get("success"),
                        "severity": last.get("severity"),
                        "description": last.get("description"),
                    }
                )
        return found

    def partitions(self, asset: str) -> list[str]:
        """The partition keys of an asset, in Dagster's own order."""
        keys = [{"path": asset.split("/")}]
        nodes = self.ask(queries.PARTITIONS, keys=keys)["assetNodes"]
        return list(nodes[0]["partitionKeys"]) if nodes else []

    def add_partitions(self, partitions: Iterable[str]) -> None:
        """Register keys of exports; one that is there already stays as it is."""
        repository, location = self.repository
        selector = {"repositoryName": repository, "repositoryLocationName": location}
        for partition in partitions:
            answer = self.ask(queries.ADD_PARTITION, repository=selector, name=PARTITIONS, key=partition)
            result = answer["addDynamicPartition"]
            if result["__typename"] not in ("AddDynamicPartitionSuccess", "DuplicateDynamicPartitionError"):
                raise ForgeError(
                    "FORGE-PARTITION", "A partition was not registered.", result.get("message", "")
                )

    def launch(self, assets: Sequence[str], tags: Mapping[str, str] | None = None) -> str:
        """Start one run of ``assets`` with all their checks; returns the run's id."""
        repository, location = self.repository
        parameters = {
            "selector": {
                "repositoryName": repository,
                "repositoryLocationName": location,
                "jobName": ASSET_JOB,
                # no check selection: Dagster then runs all checks of the selected assets
                "assetSelection": [{"path": asset.split("/")} for asset in assets],
            },
            "executionMetadata": {"tags": [{"key": k, "value": v} for k, v in (tags or {}).items()]},
        }
        result = self.ask(queries.LAUNCH, parameters=parameters)["launchPipelineExecution"]
        if result["__typename"] != "LaunchRunSuccess":
            why = result.get("message") or "; ".join(e["message"] for e in result.get("errors", []))
            raise ForgeError(
                "FORGE-LAUNCH", "Dagster did not launch the run.", first_line(why) or result["__typename"]
            )
        return str(result["run"]["runId"])

    def follow(self, run: str, on_event: Callable[[Event], None], on_total: Callable[[int], None]) -> Outcome:
        """Wait until the run is over; a break-off by Ctrl-C ends the run too."""
        outcome, began = Outcome(run), time.monotonic()
        told = False
        try:
            for status, events, total in self._watch(run):
                outcome.status = status
                if total and not told:
                    on_total(total)
                    told = True
                for event in events:
                    outcome.take(event)
                    on_event(event)
        except KeyboardInterrupt:
            self.terminate(run)
            raise
        outcome.seconds = time.monotonic() - began
        return outcome

    def _watch(self, run: str) -> Iterator[tuple[str, list[Event], int]]:
        cursor: str | None = None
        while True:
            data = self.ask(queries.LOG, run=run, cursor=cursor, limit=PAGE)
            about, log = data["runOrError"], data["logsForRun"]
            if "events" not in log or "status" not in about:
                raise ForgeError("FORGE-RUN-LOST", "The run is gone.", "Somebody deleted it.")
            cursor = log["cursor"]
            plan = (about["executionPlan"] or {}).get("steps", [])
            yield about["status"], [e for e in map(read_event, log["events"]) if e], len(plan)
            # the status was read in the same answer as the log, but after it: look once more when it ends
            if about["status"] not in ACTIVE and not log["hasMore"] and not log["events"]:
                return
            if not log["events"]:
                time.sleep(POLL_SECONDS)

    def active(self) -> list[dict[str, Any]]:
        """Runs that are queued or at work: id, job and when it was made."""
        found = self.ask(queries.RUNS, filter={"statuses": list(ACTIVE)})["runsOrError"]
        return [
            {"run": r["runId"], "job": r["jobName"], "created": r["creationTime"]}
            for r in found.get("results", [])
        ]

    def terminate(self, run: str) -> None:
        self.ask(queries.TERMINATE, run=run)

    def close(self) -> None:
        self._http.close()


def path(key: Mapping[str, Any]) -> str:
    return "/".join(key["path"])


def first_line(text: str | None) -> str:
    return next((line.strip() for line in (text or "").splitlines() if line.strip()), "")


def error_text(error: Mapping[str, Any] | None) -> str:
    """Of an error and its causes: the words of a Forge error, else what the innermost one says."""
    if not error:
        return ""
    chain = [error, *(link["error"] for link in error.get("errorChain") or [])]
    for one in chain:
        message = one["message"] or ""
        if (start := message.find("[FORGE-")) >= 0:
            return message[start:].strip()
    return first_line(chain[-1]["message"])


def read_event(raw: Mapping[str, Any]) -> Event | None:
    """The event as the command needs it, or None for what it passes over."""
    kind = queries.KINDS.get(raw["__typename"])
    if kind is None:
        return None
    step = raw["stepKey"].replace("__", "/") if raw.get("stepKey") else None
    at = float(raw["timestamp"]) / 1000
    if kind == "materialized":
        entries = {e["label"]: metadata_value(e) for e in raw["metadataEntries"]}
        return Event(kind, step, at, path(raw["assetKey"]), detail=entries)
    if kind == "checked":
        found = raw["evaluation"]
        detail = {
            "name": found["checkName"],
            "passed": found["success"],
            "severity": found["severity"],
            "description": found["description"],
        }
        return Event(kind, step, at, path(found["assetKey"]), detail=detail)
    if kind == "failed":
        # a step's failure also ends the run: the run's own word is kept only where no step has spoken
        text = error_text(raw.get("error")) or first_line(raw.get("message"))
        return Event("failed" if step else "run_failed", step, at, message=text)
    return Event(kind, step, at, message=raw.get("message") or "")


def metadata_value(entry: Mapping[str, Any]) -> Any:
    """A metadata entry's plain value; pictures and documents are left to the UI."""
    for name in ("intValue", "floatValue", "boolValue", "text"):
        if entry.get(name) is not None:
            return entry[name]
    return None
