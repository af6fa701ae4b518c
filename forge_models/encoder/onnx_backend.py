"""A BERT encoder on ONNX Runtime: 8 bits, or full precision. The quantised graph is made once and kept.

The kept file is named in a JSON beside it with its hash. The bytes that were hashed are the bytes that are
loaded; a file that is not what the JSON says is made anew, never used.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from forge_core.errors import ForgeError
from forge_models.encoder import graph
from forge_models.encoder.description import Description
from forge_models.encoder.finding import read_json
from forge_models.encoder.probe import TEXTS
from forge_models.encoder.quantising import plan
from forge_models.encoder.tokenising import Tokeniser
from forge_models.encoder.weights import mapped

BUDGET = (
    512  # tokens of a batch: the widest values, 4 x 1536 bytes each, then stay in the caches of the cores
)


def cores() -> int:
    """The processors this process may use, which in a container are fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class OnnxBackend:
    """``pooled(ids)``: one vector per list of token ids, (n, d) float32, not normalised."""

    budget = BUDGET

    def __init__(self, description: Description, cache: Path, quantised: bool) -> None:
        self.name = f"onnxruntime {'int8' if quantised else 'fp32'}"
        self._pooling = description.pooling
        self._tensors = mapped(description.folder / "model.safetensors")
        self._words = self._tensors["embeddings.word_embeddings.weight"]
        types = self._tensors["embeddings.token_type_embeddings.weight"][0]
        self._positions = self._tensors["embeddings.position_embeddings.weight"] + types
        if quantised:
            self._session = session(self._kept(description, cache))
        else:
            self._session = session(graph.bert(self._tensors, description.config))

    def pooled(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        return self._session.run(["pooled"], self._inputs(ids))[0][:, 0]

    def _inputs(self, ids: Sequence[Sequence[int]]) -> dict[str, np.ndarray]:
        lengths = np.fromiter(map(len, ids), np.int32, len(ids))
        longest = int(lengths.max())
        padded = np.zeros((len(ids), longest), np.int64)
        for row, one in zip(padded, ids, strict=True):
            row[: len(one)] = one
        hidden = np.take(self._words, padded, axis=0)
        hidden += self._positions[:longest]
        if self._pooling == "cls":
            weights = np.zeros((len(ids), 1, longest), np.float32)
            weights[:, :, 0] = 1.0
        else:
            inside = np.arange(longest) < lengths[:, None]
            weights = (inside / lengths[:, None]).astype(np.float32)[:, None]
        return {"hidden": hidden, "lengths": lengths, "weights": weights}

    def _kept(self, description: Description, cache: Path) -> bytes:
        """The quantised graph from the cache, made first where it is missing, broken or of another version."""
        folder = cache / description.identity
        file, note = folder / "int8.onnx", folder / "int8.json"
        said = read_json(note)
        if said.get("version") == graph.VERSION and file.is_file():
            data = file.read_bytes()
            if hashlib.sha256(data).hexdigest() == said.get("sha256"):
                return data
        data = self._quantise(description)
        kept = {"version": graph.VERSION, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        write(file, data)
        write(note, json.dumps(kept, indent=1).encode())
        return data

    def _quantise(self, description: Description) -> bytes:
        config, layers = description.config, int(description.config["num_hidden_layers"])
        shown = [f"{layer}.{product}.in" for layer in range(layers) for product in graph.INPUTS]
        exact = session(graph.bert(self._tensors, config, show=shown))

        def values(ids: Sequence[int], names: list[str]) -> list[np.ndarray]:
            return [value[0] for value in exact.run(names, self._inputs([ids]))]

        made = plan(self._tensors, layers, Tokeniser(description).ids(TEXTS), values)
        return graph.bert(self._tensors, config, made)


def session(model: bytes) -> Any:
    """A session over all cores that this process may use."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def write(path: Path, data: bytes) -> None:
    """Write a file of the cache, whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ForgeError(
            "FORGE-ENCODER-CACHE",
            "The text encoder's cache could not be written.",
            f"{error.strerror or type(error).__name__}.",
            "Give it room and the right to write, below FORGE_HOME.",
        ) from error
