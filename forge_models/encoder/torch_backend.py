"""An encoder of any architecture on torch, through transformers: float32 or bfloat16 on a CPU, float16 on CUDA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from forge_core.errors import UsageError
from forge_models.encoder.description import Description

CPU_BUDGET = 1024
# Large enough to keep a GPU busy, small enough that a feed-forward block of 4 x 1024 in half precision stays
# below 1 GB.
CUDA_BUDGET = 65536


class TorchBackend:
    """``pooled(ids)``: one vector per list of token ids, (n, d) float32, not normalised.

    ``precision``: fp32, bf16 or fp16. Weights come from safetensors alone, and no code comes with them.
    """

    def __init__(self, description: Description, device: str = "cpu", precision: str = "fp32") -> None:
        import torch
        from transformers import AutoModel
        from transformers.utils import logging

        logging.disable_progress_bar()
        self._kind = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
        self.name = f"torch {precision}" + (f" {device}" if device != "cpu" else "")
        self.budget = CPU_BUDGET if device == "cpu" else CUDA_BUDGET
        self._device, self._pooling = device, description.pooling
        self._padding = int(description.config.get("pad_token_id") or 0)
        try:
            model: Any = AutoModel.from_pretrained(
                description.folder,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=self._kind,
            )
        except (ValueError, KeyError, OSError, RuntimeError) as error:
            raise UsageError(
                "FORGE-ENCODER-ARCHITECTURE",
                "The text encoder's model could not be loaded by transformers.",
                type(error).__name__ + ".",
                "Choose a BERT-like encoder with weights in safetensors.",
            ) from error
        self._model = model.eval().to(device)

    def pooled(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        import torch

        lengths = np.fromiter(map(len, ids), np.int64, len(ids))
        padded = np.full((len(ids), int(lengths.max())), self._padding, np.int64)
        for row, one in zip(padded, ids, strict=True):
            row[: len(one)] = one
        inside = np.arange(padded.shape[1]) < lengths[:, None]
        with torch.inference_mode():
            mask = torch.from_numpy(inside).to(self._device)
            tokens = torch.from_numpy(padded).to(self._device)
            hidden = self._model(input_ids=tokens, attention_mask=mask.long()).last_hidden_state
            if self._pooling == "cls":
                return hidden[:, 0].float().cpu().numpy()
            summed = torch.einsum("bld,bl->bd", hidden.float(), mask.float())  # half sums would lose digits
            return (summed / mask.sum(dim=1, keepdim=True)).cpu().numpy()


def cuda() -> bool:
    """Whether torch can use a CUDA device here."""
    import torch

    return torch.cuda.is_available()
