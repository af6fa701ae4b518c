"""The model card (Mitchell et al. 2019), made from lineage and numbers alone: nobody writes it by hand."""

from typing import TYPE_CHECKING, Any

from forge_assets.outcome import Provenance
from forge_resources.registry import CHALLENGER
from forge_resources.stores import Stores

if TYPE_CHECKING:
    from forge_assets.families.bundle import Bundle


def metric_rows(stores: Stores, bundle: "Bundle") -> list[dict[str, Any]]:
    """The evaluation table, chosen model first."""
    names = ("candidate", "metric", "value", "low", "high", "n", "is_baseline", "chosen")
    rows = stores.database.rows(
        f"select {', '.join(names)} from {bundle.table('evaluation')} order by chosen desc, is_baseline, candidate"
    )
    return [dict(zip(names, row, strict=True)) for row in rows]


def metrics_table(rows: list[dict[str, Any]], intervals: bool = True) -> str:
    """One line per metric, one column per model, the chosen one first."""
    models = list(dict.fromkeys(r["candidate"] for r in rows))
    about = {r["candidate"]: r for r in rows}
    heads = [
        f"**{m}**" if about[m]["chosen"] else m + " (baseline)" * about[m]["is_baseline"] for m in models
    ]
    cells = {
        (r["metric"], r["candidate"]): f"{r['value']:.3f}" + f" [{r['low']:.3f}, {r['high']:.3f}]" * intervals
        for r in rows
    }
    lines = [f"| | {' | '.join(heads)} |", "|---" * (len(models) + 1) + "|"]
    for metric in dict.fromkeys(r["metric"] for r in rows):
        lines.append(f"| {metric} | {' | '.join(cells.get((metric, m), '–') for m in models)} |")
    return "\n".join(lines)


def document(stores: Stores, bundle: "Bundle", provenance: Provenance) -> dict[str, Any]:
    """The card as JSON."""
    import importlib.metadata

    family, database = bundle.family, stores.database
    version = stores.registry.version(family.name, CHALLENGER) or "–"
    candidate, config, digest = database.rows(
        f"select candidate, config, digest from {bundle.table('model')} where chosen"
    )[0]
    splits = dict(
        database.rows(f"select split, count(*) from {bundle.table('training_set')} group by 1 order by 1")
    )
    return {
        "family": family.name,
        "version": version,
        "candidate": candidate,
        "config": config,
        "digest": digest,
        "purpose": family.purpose,
        "population": stores.exports.population(),
        "consent": {
            "version": provenance.inputs.get(bundle.consent),
            "words": [list(row) for row in stores.consent.rows(family.purpose) if row[0] == "*"],
        },
        "data": {
            "rows": splits,
            "split": database.value(
                "select obj_description(to_regclass(%s))", (bundle.table("training_set"),)
            ),
            "exports": [
                partition
                for (partition,) in database.rows(
                    f"select distinct export from {bundle.table('training_set')} order by 1"
                )
            ],
            "versions": dict(sorted(stores.versions.current([*family.inputs]).items())),
        },
        "metrics": metric_rows(stores, bundle),
        "code": {
            "forge": importlib.metadata.version("datapunk-forge"),
            "asset_code_version": provenance.code_version,
        },
        "lineage": dict(sorted(provenance.inputs.items())),
    }


def markdown(card: dict[str, Any]) -> str:
    """The card as a person reads it."""
    data, exports = card["data"], card["data"]["exports"]
    rows = ", ".join(f"{part} {n:,}" for part, n in data["rows"].items())
    words = "; ".join(
        f"{state} for all sources ({by})"
        for _, source, state, by in card["consent"]["words"]
        if source == "*"
    )
    synthetic = (
        "**Synthetic data: no real person is behind these figures.**\n\n"
        if card["population"] == "synthetic"
        else ""
    )
    listed = ", ".join(f"`{e}`" for e in exports[:5]) + (
        f" and {len(exports) - 5} more" if len(exports) > 5 else ""
    )
    lineage = "\n".join(f"| `{asset}` | `{version}` |" for asset, version in card["lineage"].items())
    return f"""# {card["family"]} v{card["version"]}: {card["candidate"]}

{synthetic}**What it is for.** Purpose `{card["purpose"]}`: suggestions to the people whose data it learned from.
Configuration `{card["config"]}`, artifact `{card["digest"][:16]}`.

**What it learned from.** Population {card["population"]}; {rows} rows, split {data["split"].replace("_", " ")};
exports {listed}.

**Consent.** Version `{card["consent"]["version"]}`: {words or "given by single subjects"}.

**How good it is**, on events it has not seen, ranked among all unseen items; 95 % bootstrap intervals over subjects:

{metrics_table(card["metrics"])}

**What it does not do.** It recommends what the cohort knows: an item nobody watched appears only by its words,
and somebody without history gets what most people know. The order of events counts for ridge, transitions,
sequential and blends of them.
Figures hold for this population and this split alone.

**Lineage.**

| input | content version |
|---|---|
{lineage}

Made by Forge {card["code"]["forge"]} from lineage and numbers.
"""
