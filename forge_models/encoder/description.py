"""What a model is.

Its folder, its limits, how token vectors become one, and the identity that an index is held to.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forge_core.errors import UsageError
from forge_models.encoder import finding

# Names of no consequence for the vectors: a copy that was saved by another version is the same model.
IGNORED = {
    "transformers_version",
    "torch_dtype",
    "dtype",
    "use_cache",
    "architectures",
    "gradient_checkpointing",
}
POOLINGS = {"cls": "cls", "mean": "mean", "mean_tokens": "mean", "cls_token": "cls"}
POOLINGS |= {"mean_sqrt_len_tokens": "mean", "mean_sqrt_len": "mean"}  # the same once it is normalised
LIMIT_FILES = [
    f"sentence_{kind}_config.json" for kind in ("bert", "roberta", "distilbert", "xlm-roberta", "mpnet")
]


@dataclass(frozen=True)
class Description:
    """A model on disk. ``prefix`` is put before every text (the model's own default prompt)."""

    folder: Path
    config: dict[str, Any]
    dimensions: int
    max_tokens: int
    pooling: str  # mean or cls
    lower_case: bool
    prefix: str
    identity: str


def describe(folder: Path) -> Description:
    """Read the settings of the model in ``folder`` and compute its identity.

    The identity is a hash of all that decides a vector: weights, tokeniser, architecture, pooling,
    normalisation, length. Backend and precision are not part of it: a backend is used only if its vectors
    agree with full precision to a cosine of 0.99, so that an index made on one machine holds on another,
    and no CPU forces a rebuild on a GPU.
    """
    config = finding.read_json(folder / "config.json")
    prompts = finding.read_json(folder / "config_sentence_transformers.json")
    limits = next((found for name in LIMIT_FILES if (found := finding.read_json(folder / name))), {})
    settings: dict[str, Any] = {
        "pooling": pooling(folder),
        "normalised": True,
        "max_tokens": max_tokens(folder, config, limits),
        "lower_case": bool(limits.get("do_lower_case", False)),
        "prefix": str((prompts.get("prompts") or {}).get(prompts.get("default_prompt_name") or "", "") or ""),
    }
    dimensions = int(config.get("hidden_size") or config.get("dim") or config.get("d_model") or 0)
    if not dimensions:
        raise UsageError(
            "FORGE-ENCODER-CONFIG", "The text encoder's config.json does not say its hidden size."
        )
    kept = {key: value for key, value in config.items() if key not in IGNORED and not key.startswith("_")}
    digest = hashlib.sha256(json.dumps([settings, kept], sort_keys=True).encode())
    for path in [folder / "tokenizer.json", *finding.weight_files(folder)]:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return Description(
        folder=folder,
        config=config,
        dimensions=dimensions,
        max_tokens=settings["max_tokens"],
        pooling=settings["pooling"],
        lower_case=settings["lower_case"],
        prefix=settings["prefix"],
        identity=f"text-{dimensions}-{digest.hexdigest()[:16]}",
    )


def pooling(folder: Path) -> str:
    """``mean`` or ``cls``, from the model's own steps; a plain model is averaged over its tokens."""
    found = "mean"
    for module in finding.modules(folder):
        kind = str(module["type"]).rpartition(".")[2]
        if kind == "Pooling":
            said = finding.read_json(folder / str(module.get("path", "")) / "config.json")
            modes = [
                key.removeprefix("pooling_mode_") for key, on in said.items() if on is True and "mode_" in key
            ]
            if isinstance(said.get("pooling_mode"), str):
                modes = [said["pooling_mode"]]
            found = POOLINGS.get(modes[0], "") if len(modes) == 1 else ""
            if not found:
                raise UsageError(
                    "FORGE-ENCODER-POOLING",
                    "The text encoder pools its tokens in a way that is not supported.",
                    f"Its configuration says: {', '.join(modes) or 'nothing'}.",
                    "Choose a model that pools by mean or by its first token.",
                )
        elif kind not in ("Transformer", "Normalize"):
            raise UsageError(
                "FORGE-ENCODER-MODULES",
                f"The text encoder has a step that is not supported: {kind}.",
                fix="Choose a model made of Transformer, Pooling and Normalize.",
            )
    return found


def max_tokens(folder: Path, config: dict[str, Any], limits: dict[str, Any]) -> int:
    """The longest sequence, special tokens included.

    What the model says of itself, within what it has positions for.
    """
    positions = int(config.get("max_position_embeddings") or 512)
    if config.get("model_type") in ("roberta", "xlm-roberta", "camembert", "mpnet"):
        positions -= int(config.get("pad_token_id") or 0) + 1  # their positions start behind the padding's
    said = limits.get("max_seq_length")
    if not said:
        said = finding.read_json(folder / "tokenizer_config.json").get("model_max_length")
    return min(int(said), positions) if said else positions
