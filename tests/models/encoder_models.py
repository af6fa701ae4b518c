"""Small encoders for tests: a BERT of two layers with random weights, beside the tokeniser of the shipped model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from forge_models.encoder.finding import SHIPPED, find

SHIPPED_NAME = next(iter(SHIPPED))
WIDTH, INNER, LAYERS, HEADS, WORDS, POSITIONS = 32, 64, 2, 4, 30522, 128
POOLING = {
    "word_embedding_dimension": WIDTH,
    "pooling_mode_mean_tokens": True,
    "pooling_mode_cls_token": False,
}


def shipped() -> Path:
    return find(SHIPPED_NAME)


def small(folder: Path, seed: int = 0, max_tokens: int = 64) -> Path:
    """A sentence-transformers folder in ``folder``."""
    random = np.random.default_rng(seed)
    (folder / "1_Pooling").mkdir(parents=True)
    config = {
        "model_type": "bert", "architectures": ["BertModel"], "hidden_size": WIDTH, "intermediate_size": INNER,
        "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "vocab_size": WORDS, "pad_token_id": 0,
        "max_position_embeddings": POSITIONS, "type_vocab_size": 2, "layer_norm_eps": 1e-12, "hidden_act": "gelu",
    }  # fmt: skip
    write(folder / "config.json", config)
    write(folder / "1_Pooling" / "config.json", POOLING)
    write(folder / "sentence_bert_config.json", {"max_seq_length": max_tokens, "do_lower_case": False})
    steps = [("", "Transformer"), ("1_Pooling", "Pooling")]
    modules = [{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in steps]
    write(folder / "modules.json", modules)
    shutil.copyfile(shipped() / "tokenizer.json", folder / "tokenizer.json")
    shapes = {
        "embeddings.word_embeddings.weight": (WORDS, WIDTH),
        "embeddings.position_embeddings.weight": (POSITIONS, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        "embeddings.LayerNorm": (WIDTH,),
        "pooler.dense": (WIDTH, WIDTH),
    }
    for n in range(LAYERS):
        layer = f"encoder.layer.{n}."
        shapes |= {f"{layer}attention.self.{part}": (WIDTH, WIDTH) for part in ("query", "key", "value")}
        shapes |= {
            f"{layer}attention.output.dense": (WIDTH, WIDTH),
            f"{layer}attention.output.LayerNorm": (WIDTH,),
        }
        shapes |= {f"{layer}intermediate.dense": (INNER, WIDTH), f"{layer}output.dense": (WIDTH, INNER)}
        shapes |= {f"{layer}output.LayerNorm": (WIDTH,)}
    tensors = {}
    for name, shape in shapes.items():
        if name.endswith("weight"):
            tensors[name] = random.normal(0, 0.5, shape).astype(np.float32)
            continue
        around = 1.0 if "LayerNorm" in name else 0.0
        tensors[f"{name}.weight"] = random.normal(around, 0.15, shape).astype(np.float32)
        tensors[f"{name}.bias"] = random.normal(0, 0.1, shape[0]).astype(np.float32)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    return folder


def write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content))
