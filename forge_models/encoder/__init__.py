"""Text to vectors: the encoder behind ``embeddings/*`` and search; by default all-MiniLM-L6-v2, shipped in a package.

``load`` finds the model, says what it is (``identity``) and gives it the fastest backend that agrees with
full precision on this machine. Importing this package is light; onnxruntime, torch and transformers are
imported when a model is loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from forge_models.encoder.text_encoder import TextEncoder

DEFAULT = "all-MiniLM-L6-v2"


def load(name: str = DEFAULT, cache: Path | str = ".forge/encoders", device: str = "auto") -> TextEncoder:
    """The encoder called ``name``, ready to encode.

    ``name``: ``all-MiniLM-L6-v2``, a local folder with a sentence-transformers or BERT-like model (safetensors and
    tokenizer.json), or a name on the Hugging Face hub. ``cache``: where the quantised graph and the choice
    of backend are kept. ``device``: ``cpu``, ``cuda``, or ``auto`` (CUDA where there is one).

    Raises Refused for pickled weights and for models that bring code, UsageError for what is no model, ForgeError
    where the hub cannot be reached.
    """
    from forge_models.encoder.choosing import choose
    from forge_models.encoder.description import describe
    from forge_models.encoder.finding import find
    from forge_models.encoder.text_encoder import TextEncoder

    description = describe(find(name))
    return TextEncoder(short_name(name), description, choose(description, Path(cache), device))


def short_name(name: str) -> str:
    """What to call it: of a folder its last part alone, since where it lies is nobody's business."""
    return Path(name).expanduser().resolve().name if Path(name).expanduser().is_dir() else name
