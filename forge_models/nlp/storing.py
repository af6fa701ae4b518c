"""The models of the nlp family in the artifact format, and the bounds that a loaded one must keep.

What a kind of model holds is declared in ``KINDS``: its tensors with dtype and shape in names of sizes, and its plain
fields. A size is what the first tensor that has it says; every other must agree. So a tensor that does not fit, an
index or a class too many, is refused here and never met in use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from forge_core.errors import Refused
from forge_models import artifact

F4, F8, I8 = "float32", "float64", "int64"


@dataclass(frozen=True)
class Kind:
    """``tensors``: field -> (dtype, *sizes); ``strings``: fields of texts -> size; ``plain``: fields of the document.

    ``named``: fields that are mappings of tensors, each stored by its own name. ``fixed``: sizes that are known.
    """

    module: str
    cls: str
    tensors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    strings: Mapping[str, str] = field(default_factory=dict)
    plain: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    fixed: Mapping[str, int] = field(default_factory=dict)


_CLASSES = {"prior": (F8, "classes")}
_ENCODER = ("encoder", "identity")
_GIVEN = ("model", "digest")
_TAGS = {"start": (F8, "tags"), "transitions": (F8, "tags", "tags")}
_TOPICS = {"centroids": (F4, "topics", "space"), "counts": (F4, "topics", "places"), "sizes": (I8, "topics")}
_REDUCED = {"mean": (F4, "dims"), "components": (F4, "reduced", "dims")}
_RANKED = {"mean": (F8, "features"), "deviation": (F8, "features"), "weights": (F8, "features")}
_PLACES, _FEATURES = {"places": 16_384}, {"features": 12}

KINDS: Mapping[str, Mapping[str, Kind]] = {
    "sentiment": {
        "majority": Kind("classifying", "MajorityClassifier", _CLASSES, {"classes": "classes"}),
        "words": Kind(
            "classifying", "WordClassifier",
            {**_CLASSES, "vocabulary.idf": (F4, "terms"), "weights": (F4, "classes", "terms"), "bias": (F4, "classes")},
            {"classes": "classes", "vocabulary.terms": "terms"},
        ),
        "frozen": Kind(
            "classifying", "FrozenClassifier",
            {**_CLASSES, "words.vocabulary.idf": (F4, "terms"), "words.weights": (F4, "classes", "terms"),
             "words.bias": (F4, "classes"), "weights": (F4, "classes", "inputs"), "bias": (F4, "classes")},
            {"classes": "classes", "words.vocabulary.terms": "terms"}, (*_ENCODER, "layers"),
        ),
        "tuned": Kind(
            "classifying", "TunedClassifier",
            {**_CLASSES, "mix": (F4, "layers"), "head": (F4, "classes", "dims"), "bias": (F4, "classes")},
            {"classes": "classes"}, _ENCODER, ("tensors",),
        ),
        "pipeline": Kind(
            "given", "GivenClassifier", {**_CLASSES, "table": (F8, "labels", "classes")},
            {"classes": "classes", "said": "labels"}, _GIVEN,
        ),
    },
    "topics": {
        "clusters": Kind("topics", "ClusterTopics", {**_TOPICS, **_REDUCED}, plain=(*_ENCODER, "ids"), fixed=_PLACES),
        "word_clusters": Kind(
            "topics", "WordTopics", {**_TOPICS, "idf": (F4, "places"), "components": (F4, "space", "places")},
            plain=("ids",), fixed=_PLACES,
        ),
        "network": Kind(
            "topics_net", "NetTopics",
            {**_TOPICS, **_REDUCED, "inner": (F4, "width", "reduced"), "inner_bias": (F4, "width"),
             "out": (F4, "topics", "width"), "out_bias": (F4, "topics")},
            plain=(*_ENCODER, "ids"), fixed=_PLACES,
        ),
    },
    "entities": {
        "lexicon": Kind(
            "tagging", "LexiconTagger",
            {**_TAGS, "word_scores": (F4, "words", "tags"), "shape_scores": (F4, "shapes", "tags")},
            {"labels": "tags", "words": "words"}, fixed={"shapes": 512},
        ),
        "linear": Kind(
            "tagging", "LinearTagger", {**_TAGS, "weights": (F4, "inputs", "tags")}, {"labels": "tags"},
            (*_ENCODER, "layers", "scale"),
        ),
        "network": Kind(
            "tagging_fit", "NetTagger", _TAGS, {"labels": "tags"}, (*_ENCODER, "layers"), ("arrays", "tensors")
        ),
        "pipeline": Kind(
            "given", "GivenTagger", _TAGS, {"labels": "tags", "said": "labels", "meant": "labels"}, _GIVEN
        ),
    },
    "language": {
        "script": Kind(
            "language", "ScriptModel", {"by_script": (F8, "scripts", "languages")},
            {"languages": "languages", "scripts": "scripts"},
        ),
        "counts": Kind("language", "CountModel", strings={"languages": "languages"}),
        "network": Kind(
            "language", "RunModel", {"weights": (F4, "places", "languages"), "bias": (F4, "languages")},
            {"languages": "languages"}, fixed=_PLACES,
        ),
    },
    "summaries": {
        "lead": Kind("summaries", "Summariser"),
        "ranked": Kind("summaries", "RankedSummariser", _RANKED, plain=_ENCODER, fixed=_FEATURES),
        "network": Kind("summaries_net", "NetSummariser", _RANKED, plain=_ENCODER, named=("arrays",), fixed=_FEATURES),
    },
}  # fmt: skip
TUPLES = ("layers", "ids")


def save(task: str, model: Any, folder: Path) -> None:
    kind = KINDS[task][model.kind]
    arrays: dict[str, np.ndarray] = {}
    for name, (dtype, *_) in kind.tensors.items():
        arrays[name] = np.ascontiguousarray(_inner(model, name), dtype)
    for name in kind.strings:
        arrays |= artifact.pack_strings(name, list(_inner(model, name)))
    for name in kind.named:
        arrays |= {
            f"{name}/{key}": np.asarray(value, np.float32) for key, value in getattr(model, name).items()
        }
    document = {
        "family": "nlp",
        "task": task,
        "kind": model.kind,
        "config": dict(model.config),
        "report": {name: [dict(row) for row in rows] for name, rows in model.report.items()},
        "plain": {name: getattr(model, name) for name in kind.plain},
    }
    artifact.write(folder, arrays, document)


def load(task: str, folder: Path) -> Any:
    """The model, after every tensor was found to have the dtype and the shape that the others ask for."""
    arrays, document = artifact.read(folder)
    known, config, plain = document.get("kind"), document.get("config"), document.get("plain")
    require(
        document.get("family") == "nlp" and document.get("task") == task, "It is of another family or task."
    )
    require(isinstance(known, str) and known in KINDS[task], "Its kind is unknown.")
    require(isinstance(config, dict) and isinstance(plain, dict), "Fields are missing.")
    kind = KINDS[task][str(known)]
    sizes: dict[str, int] = dict(kind.fixed)
    fields: dict[str, Any] = {}
    for name, size in kind.strings.items():
        fields[name] = tuple(artifact.unpack_strings(name, arrays))
        agree(sizes, size, len(fields[name]), name)
    for name, (dtype, *shape) in kind.tensors.items():
        found = arrays.get(name)
        require(
            found is not None and found.dtype == dtype and found.ndim == len(shape),
            f"Tensor {name} is wrong.",
        )
        for size, length in zip(shape, found.shape, strict=True):  # type: ignore[union-attr]
            agree(sizes, size, length, name)
        fields[name] = found
    for name in kind.named:
        fields[name] = {k.partition("/")[2]: v for k, v in arrays.items() if k.startswith(f"{name}/")}
    for name in kind.plain:
        value = (plain or {}).get(name)
        expected: Any = list if name in TUPLES else (int, float) if name == "scale" else str
        require(isinstance(value, expected), f"Its {name} is missing.")
        if name in TUPLES:
            value = tuple(value)  # type: ignore[arg-type]
            require(all(type(one) is int for one in value), f"Its {name} are no numbers.")
        fields[name] = value
    _bounds(task, str(known), fields, sizes, config or {})
    report = document.get("report")
    require(isinstance(report, dict), "Fields are missing.")
    common = {"config": config, "report": report}
    return _built(kind, fields, common)


def _bounds(
    task: str, kind: str, fields: Mapping[str, Any], sizes: Mapping[str, int], config: Mapping[str, Any]
) -> None:
    """What shapes alone do not say."""
    dims = _dimensions(fields["identity"]) if "identity" in fields else 0
    layers = fields.get("layers", ())
    require(all(0 <= layer < 200 for layer in layers), "Its layers are out of bounds.")
    require(not dims or sizes.get("dims", dims) == dims, "Its vectors are of another encoder.")
    if "ids" in fields:
        topics, space = sizes["topics"], sizes["space"]
        require(len(fields["ids"]) == topics and len(set(fields["ids"])) == topics, "Its ids differ.")
        wanted = topics if kind == "network" else sizes.get("reduced", space)
        require(space == wanted, "Its space differs.")
    if task == "sentiment" and kind == "frozen":
        inputs = len(layers) * dims + sizes["classes"]
        require(sizes["inputs"] == inputs, "Its weights are of other features.")
    if task == "summaries":
        count, repetition = config.get("sentences"), config.get("repetition", 0.0)
        require(type(count) is int and 0 < count <= 100, "Its number of sentences is out of bounds.")
        require(
            type(repetition) in (int, float) and 0 <= repetition <= 100, "Its repetition is out of bounds."
        )
    if task == "entities":
        require(bool(fields["labels"]) and fields["labels"][0] == "O", "Its labels are no tags.")
        bold = config.get("boldness", 0.0)
        require(type(bold) in (int, float) and abs(bold) <= 100, "Its boldness is out of bounds.")
    if task == "entities" and kind == "pipeline":
        types = {label[2:] for label in fields["labels"]}
        require(set(fields["meant"]) <= types, "Its table of labels names other types.")
    if task == "entities" and kind == "linear":
        require(sizes["inputs"] == len(layers) * dims + 35, "Its weights are of other features.")
    if task == "entities" and kind == "network":
        _name_network(fields, sizes["tags"], len(layers) * dims, config)
    if task == "summaries" and kind == "network":
        _rank_network(fields["arrays"], 2 * dims + sizes["features"], sizes["features"])
    if fields.get("tensors"):
        _encoder_tensors(fields["encoder"], fields["tensors"])


def _dimensions(identity: str) -> int:
    """Those of the encoder, which its identity names: text-384-…"""
    parts = identity.split("-")
    require(len(parts) == 3 and parts[1].isdigit(), "Its encoder is not named.")
    return int(parts[1])


def _name_network(fields: Mapping[str, Any], tags: int, context: int, config: Mapping[str, Any]) -> None:
    from forge_models.nlp.tagging_net import Shape, from_arrays

    width, dropout = config.get("width"), config.get("dropout")
    require(type(width) is int and type(dropout) in (int, float), "It lacks parts.")
    require(0 < int(width or 0) <= 4096 and 0 <= float(dropout or 0) < 1, "Its width is out of bounds.")
    try:
        from_arrays(
            Shape(context, tags, int(width or 0), float(dropout or 0)), fields["labels"], fields["arrays"]
        )
    except (KeyError, RuntimeError, ValueError) as error:
        raise _refused("Its network's tensors do not fit each other.") from error


def _rank_network(arrays: Mapping[str, np.ndarray], inputs: int, features: int) -> None:
    inner = arrays.get("inner.weight")
    width = len(inner) if inner is not None and inner.ndim == 2 else 0
    wanted = {
        "inner.weight": (width, inputs), "inner.bias": (width,), "out.weight": (1, width), "out.bias": (1,),
        "plain.weight": (1, features),
    }  # fmt: skip
    require({name: one.shape for name, one in arrays.items()} == wanted, "Its network's tensors do not fit.")


def _encoder_tensors(encoder: str, tensors: Mapping[str, np.ndarray]) -> None:
    """Each takes the place of one of the encoder's own, of its shape."""
    from forge_models.encoder.weights import mapped
    from forge_models.nlp.encoding import described

    own = mapped(described(encoder).folder / "model.safetensors")
    fits = all(name in own and own[name].shape == value.shape for name, value in tensors.items())
    require(fits, "Its encoder's tensors are of another encoder.")


def _built(kind: Kind, fields: Mapping[str, Any], common: Mapping[str, Any]) -> Any:
    module = import_module(f"forge_models.nlp.{kind.module}")
    if kind.cls == "WordClassifier":
        return _word_classifier(fields, common["config"], common["report"])
    if kind.cls == "FrozenClassifier":
        own = {
            name: fields[name]
            for name in ("classes", "prior", "weights", "bias", "encoder", "identity", "layers")
        }
        inner = {
            name.removeprefix("words."): value for name, value in fields.items() if name.startswith("words.")
        }
        words = _word_classifier({**inner, "classes": own["classes"], "prior": own["prior"]}, {}, {})
        return module.FrozenClassifier(**own, words=words, **common)
    return getattr(module, kind.cls)(**fields, **common)


def _word_classifier(fields: Mapping[str, Any], config: Any, report: Any) -> Any:
    from forge_models.nlp.classifying import WordClassifier
    from forge_models.nlp.linear import Vocabulary

    return WordClassifier(
        fields["classes"], fields["prior"], config, report,
        vocabulary=Vocabulary(fields["vocabulary.terms"], fields["vocabulary.idf"]), weights=fields["weights"],
        bias=fields["bias"],
    )  # fmt: skip


def _inner(model: Any, name: str) -> Any:
    for part in name.split("."):
        model = getattr(model, part)
    return model


def agree(sizes: dict[str, int], size: str, length: int, name: str) -> None:
    require(sizes.setdefault(size, length) == length, f"Tensor {name} does not fit the others.")


def require(good: bool, what: str) -> None:
    if not good:
        raise _refused(what)


def _refused(what: str) -> Refused:
    return Refused(
        "FORGE-ARTIFACT-NLP",
        f"This model cannot be used. {what}",
        "Its arrays do not fit each other.",
        "Take the model from the registry again, or train it anew.",
    )
