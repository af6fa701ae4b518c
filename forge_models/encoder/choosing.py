"""Which backend computes: on CUDA half precision, on a CPU the one that measures faster, once per machine and model.

A backend may be chosen only if its vectors agree with float32 on torch: a cosine of at least 0.99 for every
probe text. What was measured is kept in the cache as JSON, and decides from then on: the same machine
always takes the same backend.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from forge_core.errors import ForgeError, UsageError
from forge_models.encoder import graph
from forge_models.encoder.description import Description
from forge_models.encoder.finding import read_json
from forge_models.encoder.onnx_backend import OnnxBackend, cores, write
from forge_models.encoder.probe import TEXTS
from forge_models.encoder.text_encoder import Backend, TextEncoder
from forge_models.encoder.tokenising import Tokeniser

AGREEMENT = 0.99
REPEATS = 3
HOPELESS = 1.5  # times the best so far: not timed again
SINGLES = range(0, len(TEXTS), 4)  # probe texts that are also encoded alone, as searches are
Makers = dict[str, Callable[[], Backend]]


def choose(description: Description, cache: Path, device: str = "auto") -> Backend:
    """The backend for this model on this machine. ``device``: auto, cpu or cuda."""
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError("FORGE-ENCODER-DEVICE", "The device of the text encoder is auto, cpu or cuda.")
    if device == "cuda" or (device == "auto" and _driver()):
        from forge_models.encoder.torch_backend import TorchBackend, cuda

        if cuda():
            return TorchBackend(description, "cuda", "fp16")
        if device == "cuda":
            raise ForgeError(
                "FORGE-ENCODER-CUDA",
                "The text encoder is to run on CUDA, and torch finds no CUDA device.",
                fix="Install torch for CUDA, or set the device to auto or cpu.",
            )
    makers = candidates(description, cache)
    note = cache / description.identity / f"backend-{machine()}.json"
    chosen = read_json(note).get("backend")
    if chosen not in makers:
        found = measure(description, makers)
        chosen = found["backend"]
        write(note, json.dumps(found, indent=1).encode())
    return makers[chosen]()


def candidates(description: Description, cache: Path) -> Makers:
    """What could run this model on a CPU, by name."""

    def on_torch(precision: str) -> Callable[[], Backend]:
        def make() -> Backend:
            from forge_models.encoder.torch_backend import TorchBackend

            return TorchBackend(description, "cpu", precision)

        return make

    found: Makers = {}
    if graph.supported(description.config) and (description.folder / "model.safetensors").is_file():
        found["onnxruntime int8"] = lambda: OnnxBackend(description, cache, quantised=True)
        found["onnxruntime fp32"] = lambda: OnnxBackend(description, cache, quantised=False)
    return found | {f"torch {precision}": on_torch(precision) for precision in ("fp32", "bf16")}


def measure(description: Description, makers: Makers) -> dict[str, Any]:
    """Time every candidate on the probe texts, together and alone, and compare its vectors with float32 on torch."""
    ids = Tokeniser(description).ids(TEXTS)
    exact: np.ndarray | None = None
    seen: dict[str, dict[str, float]] = {}
    failed: dict[str, str] = {}  # a processor or a release that lacks an operator
    best = float("inf")
    for name in sorted(
        makers, key=lambda name: name != "torch fp32"
    ):  # that one first: others are held to it
        try:
            backend = makers[name]()
            encoder = TextEncoder(name, description, backend)
            vectors = encoder.encode(TEXTS)
            seconds = _seconds(encoder, backend, ids)
        except ForgeError:
            raise
        except Exception as error:  # a library's own errors have no common base
            if exact is None:
                raise
            failed[name] = type(error).__name__
            continue
        for _ in range(REPEATS - 1):
            if seconds < HOPELESS * best:
                seconds = min(seconds, _seconds(encoder, backend, ids))
        best = min(best, seconds)
        exact = vectors if exact is None else exact
        cosines = (vectors * exact).sum(axis=1)
        seen[name] = {
            "seconds": seconds,
            "cosine_mean": round(float(cosines.mean()), 5),
            "cosine_min": round(float(cosines.min()), 5),
        }
    agreeing = [name for name, one in seen.items() if one["cosine_min"] >= AGREEMENT]
    chosen = min(agreeing, key=lambda name: seen[name]["seconds"])
    return {"backend": chosen, "cores": cores(), "measured": seen, "failed": failed}


def _seconds(encoder: TextEncoder, backend: Backend, ids: Sequence[Sequence[int]]) -> float:
    started = time.perf_counter()
    encoder.encode(TEXTS)
    for place in SINGLES:
        backend.pooled([ids[place]])
    return round(time.perf_counter() - started, 4)


def machine() -> str:
    """A short name of what decides speed: processor, cores, and the versions of the libraries and of our graph."""
    said = [platform.machine(), _processor(), str(cores()), str(graph.VERSION)]
    said += [importlib.metadata.version(package) for package in ("onnxruntime", "torch", "transformers")]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:12]


def _processor() -> str:
    """Model and instruction sets; two processors of one name can differ in the latter."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return platform.processor()
    return "\n".join([line for line in lines if line.startswith(("model name", "flags"))][:2])


def _driver() -> bool:
    """Whether the system has an NVIDIA driver; asked before torch is, which takes seconds to import."""
    return any(Path(place).exists() for place in ("/dev/nvidiactl", "/dev/dxg"))
