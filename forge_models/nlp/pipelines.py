"""spaCy pipelines and Hugging Face models as parts of Forge: any local folder or hub name, loaded once, in batches.

``load(name, kind)`` gives something that is called with texts and answers in order. Its ``digest`` is the name (of a
folder the last part alone) and a hash of all its files, for the lineage. Weights come from safetensors, code never
comes with them; a spaCy pipeline is data whose factories are those of installed packages, and is read from a folder or
an installed package.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from forge_core.errors import ForgeError, Refused, UsageError

Kind = Literal["text-classification", "token-classification", "spacy"]
KINDS = ("text-classification", "token-classification", "spacy")
BATCH = 32
LONGEST = 20_000  # characters of a text
PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".h5", ".msgpack")
WANTED = ["*.json", "*.safetensors", "*.txt", "*.model"]
DEFAULT = "Leave the setting out: the defaults need no network and no further model."


@dataclass(frozen=True)
class Label:
    """What a text is said to be, or a span of it: ``start`` and ``end`` in characters, -1 for the whole text."""

    label: str
    score: float
    start: int = -1
    end: int = -1


@dataclass(frozen=True)
class Pipeline:
    """``name`` and ``digest`` for the lineage; calling it gives the labels of each text, in order."""

    name: str
    kind: Kind
    digest: str
    _run: Callable[[Sequence[str]], list[list[Label]]]

    def __call__(self, texts: Sequence[str]) -> list[list[Label]]:
        cut = [text[:LONGEST] for text in texts]
        spoken = [i for i, text in enumerate(cut) if text.strip()]
        found: list[list[Label]] = [[] for _ in cut]
        for at in range(0, len(spoken), BATCH):
            chosen = spoken[at : at + BATCH]
            for i, labels in zip(chosen, self._run([cut[i] for i in chosen]), strict=True):
                found[i] = labels
        return found


def load(name: str, kind: Kind, device: str = "cpu") -> Pipeline:
    """The pipeline called ``name``: a folder, an installed spaCy package, or a name on the Hugging Face hub.

    Raises UsageError FORGE-PIPELINE-KIND, FORGE-PIPELINE-FOLDER, FORGE-PIPELINE-MODEL, Refused FORGE-PIPELINE-PICKLED
    and FORGE-PIPELINE-CODE, ForgeError FORGE-PIPELINE-HUB where the hub cannot be reached and FORGE-PIPELINE-SPACY
    where spaCy is not installed.
    """
    if kind not in KINDS:
        raise UsageError(
            "FORGE-PIPELINE-KIND", "A pipeline of that kind is not known.", f"Known: {', '.join(KINDS)}."
        )
    if kind == "spacy":
        return _spacy(name)
    folder = _folder(name)
    _check(folder)
    return Pipeline(short(name), kind, digest(short(name), folder), _transformers(folder, kind, device))


def short(name: str) -> str:
    """What it is called: of a folder its last part alone, since where it lies is nobody's business."""
    folder = Path(name).expanduser()
    return folder.resolve().name if folder.is_dir() else name


def digest(name: str, folder: Path) -> str:
    """Name and content: ``<name>@<16 hex>``. A file that changes makes another pipeline."""
    whole = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with open(path, "rb") as file:
            whole.update(
                f"{path.relative_to(folder)}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode()
            )
    return f"{name}@{whole.hexdigest()[:16]}"


def _folder(name: str) -> Path:
    folder = Path(name).expanduser()
    if name.strip() and folder.is_dir():
        return folder
    if not name.strip() or name.startswith(("/", ".", "~")):
        raise UsageError(
            "FORGE-PIPELINE-FOLDER",
            "There is no folder with a model in the place that the setting names.",
            fix=f"Name a model folder or a hub name. {DEFAULT}",
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        return Path(snapshot_download(name, allow_patterns=WANTED, ignore_patterns=["onnx/*", "openvino/*"]))
    except HFValidationError as error:
        raise UsageError(
            "FORGE-PIPELINE-FOLDER",
            "The setting is neither a folder nor a name on the Hugging Face hub.",
            fix=f"A hub name looks like owner/model. {DEFAULT}",
        ) from error
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise ForgeError(
            "FORGE-PIPELINE-HUB",
            "The model could not be fetched from the Hugging Face hub.",
            f"It is not in the hub's cache, and the hub did not give it ({type(error).__name__}).",
            f"Connect to the network once, check the name, or name a local folder. {DEFAULT}",
        ) from error


def _check(folder: Path) -> None:
    from forge_models.encoder.finding import read_json, weight_files

    config = read_json(folder / "config.json")
    if not config:
        raise UsageError("FORGE-PIPELINE-MODEL", "The folder has no readable config.json.", fix=DEFAULT)
    if "auto_map" in config or any(folder.glob("*.py")):
        raise Refused(
            "FORGE-PIPELINE-CODE",
            "The model brings code of its own, which is not run here.",
            fix=f"Choose a model of a standard architecture. {DEFAULT}",
        )
    if not weight_files(folder):
        if any(path.suffix in PICKLED for path in folder.iterdir()):
            raise Refused(
                "FORGE-PIPELINE-PICKLED",
                "The model's weights are pickled; loading them could run code.",
                fix=f"Convert them to model.safetensors where you trust them. {DEFAULT}",
            )
        raise UsageError("FORGE-PIPELINE-MODEL", "The folder has no model.safetensors.", fix=DEFAULT)


def _transformers(folder: Path, kind: Kind, device: str) -> Callable[[Sequence[str]], list[list[Label]]]:
    import transformers
    from transformers.utils import logging

    logging.disable_progress_bar()
    classes = {
        "text-classification": transformers.AutoModelForSequenceClassification,
        "token-classification": transformers.AutoModelForTokenClassification,
    }
    safe = {"local_files_only": True, "trust_remote_code": False}
    try:
        model: Any = classes[kind].from_pretrained(folder, use_safetensors=True, **safe)
        tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder, use_fast=True, **safe)
    except (ValueError, KeyError, OSError, RuntimeError) as error:
        raise UsageError(
            "FORGE-PIPELINE-MODEL",
            "transformers could not load the model.",
            f"{type(error).__name__}.",
            DEFAULT,
        ) from error
    model = model.eval().to(device)
    positions = int(getattr(model.config, "max_position_embeddings", 512) or 512)
    most = min(positions, int(tokenizer.model_max_length), 512)
    names = {int(number): str(label) for number, label in model.config.id2label.items()}

    def run(texts: Sequence[str]) -> list[list[Label]]:
        import torch

        sound = [text.encode("utf-8", "replace").decode() for text in texts]
        spans = kind == "token-classification"
        held = tokenizer(
            sound,
            padding=True,
            truncation=True,
            max_length=most,
            return_tensors="pt",
            return_offsets_mapping=spans,
        )
        offsets = held.pop("offset_mapping").tolist() if spans else []
        with torch.inference_mode():
            chances = torch.softmax(model(**held.to(device)).logits.float(), dim=-1).cpu().numpy()
        if spans:
            return [_spans(rows, own, names) for rows, own in zip(chances, offsets, strict=True)]
        return [[Label(names[int(row.argmax())], float(row.max()))] for row in chances]

    return run


def _spans(chances: Any, offsets: Sequence[Sequence[int]], names: dict[int, str]) -> list[Label]:
    """Tokens of one type that follow each other are one span, unless a B- begins another; special tokens are none."""
    found: list[Label] = []
    before = ""
    for row, (start, end) in zip(chances, offsets, strict=True):
        if start == end:
            continue
        tag, score = names[int(row.argmax())], float(row.max())
        kind = tag[2:] if tag[:2] in ("B-", "I-") else tag
        if tag == "O":
            before = ""
        elif kind == before and not tag.startswith("B-"):
            last = found[-1]
            found[-1] = Label(kind, min(last.score, score), last.start, end)
        else:
            found.append(Label(kind, score, start, end))
            before = kind
    return found


def _spacy(name: str) -> Pipeline:
    if importlib.util.find_spec("spacy") is None:
        raise ForgeError(
            "FORGE-PIPELINE-SPACY",
            "spaCy is not installed, and the setting names a spaCy pipeline.",
            fix=f"pip install spacy. {DEFAULT}",
        )
    import spacy

    folder = Path(name).expanduser()
    if not folder.is_dir():
        spec = importlib.util.find_spec(name) if name.isidentifier() else None
        if spec is None or spec.origin is None:
            raise ForgeError(
                "FORGE-PIPELINE-HUB",
                "There is no such folder, and no spaCy package of that name is installed.",
                fix=f"python -m spacy download NAME, once, with a network. {DEFAULT}",
            )
        folder = Path(spec.origin).parent
    try:
        pipeline = spacy.load(name if not Path(name).expanduser().is_dir() else folder)
    except (OSError, ValueError) as error:
        raise UsageError(
            "FORGE-PIPELINE-MODEL", "spaCy could not load the pipeline.", f"{type(error).__name__}.", DEFAULT
        ) from error

    def run(texts: Sequence[str]) -> list[list[Label]]:
        out = []
        for doc in pipeline.pipe(texts, batch_size=BATCH):
            labels = [Label(e.label_, 1.0, e.start_char, e.end_char) for e in doc.ents]
            out.append(labels + [Label(label, float(score)) for label, score in doc.cats.items()])
        return out

    return Pipeline(short(name), "spacy", digest(short(name), folder), run)
