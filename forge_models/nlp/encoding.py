"""The text encoder with its layers open: what a head on frozen features reads, per text and per word.

``embeddings/*`` takes the last layer alone. Sentiment and names stand more clearly in the layers below it (Tenney, Das
and Pavlick 2019), so this one gives several. ONNX Runtime computes in float32: features do not depend on a machine's
instructions, nor on the texts beside a text. An architecture that our graph does not know runs on torch.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from forge_models.encoder import DEFAULT, graph
from forge_models.encoder.description import Description, describe
from forge_models.encoder.finding import find
from forge_models.encoder.text_encoder import batches, normalised

TOKENS = 1_024  # of a batch with its padding
SHORT = 128  # tokens read of a text: a sentence, a message, the begin of a passage
WORD_CUT = 64  # characters of one word: what is longer is no word
LATELY, LATELY_BYTES = 4, 96 << 20  # results that are kept, and the size of one that is
Check = Callable[[], None]


class LayeredEncoder:
    """``pooled`` and ``words`` of some layers; 0 is the sum of embeddings, ``layers`` the last.

    ``weights``: other tensors than the model's own (of a fine-tuned one), by the names of the model's file.
    """

    def __init__(self, description: Description, weights: Mapping[str, np.ndarray] | None = None) -> None:
        self.identity, self.dimensions = description.identity, description.dimensions
        self.layers = int(description.config.get("num_hidden_layers") or 0)
        self._most = int(description.config.get("max_position_embeddings") or 512)
        self._description, self._weights = description, weights
        self._pooling = description.pooling
        self._sessions: dict[tuple[int, ...], Any] = {}
        self._tokenizer: Any = None
        self._lately: dict[bytes, np.ndarray] = {}

    def pooled(
        self, texts: Sequence[str], layers: Sequence[int], limit: int = SHORT, check: Check | None = None
    ) -> np.ndarray:
        """(n, len(layers), d) float32: the mean over a text's tokens in each layer, of length 1 each.

        A text that stands there twice is read once, and the texts of the last few calls are not read again: candidates
        of one task ask for the same. ``check`` is called between batches; raise in it to stop.
        """
        kept = hashlib.sha256(repr((layers, limit, texts)).encode("utf-8", "replace")).digest()
        if kept in self._lately:
            return self._lately[kept].copy()
        found = self._pooled(texts, layers, limit, check)
        if found.nbytes <= LATELY_BYTES:
            while len(self._lately) >= LATELY:
                self._lately.pop(next(iter(self._lately)))
            self._lately[kept] = found.copy()
        return found

    def _pooled(
        self, texts: Sequence[str], layers: Sequence[int], limit: int, check: Check | None
    ) -> np.ndarray:
        places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        if len(places) < len(texts):
            return self._pooled(list(places), layers, limit, check)[[places[text] for text in texts]]
        found = np.zeros((len(texts), len(layers), self.dimensions), np.float32)
        ids = self.token_ids(texts, limit)
        for batch in batches([len(one) for one in ids], TOKENS):
            if check:
                check()
            lengths = np.array([len(ids[i]) for i in batch])
            hidden = self.hidden([ids[i] for i in batch], layers)
            inside = np.arange(hidden[0].shape[1]) < lengths[:, None]
            for place, layer in enumerate(hidden):
                if self._pooling == "cls":
                    mean = layer[:, 0]
                else:
                    mean = np.einsum("bld,bl->bd", layer, inside / lengths[:, None].astype(np.float32))
                found[batch, place] = normalised(mean)
        return found

    def words(
        self,
        sentences: Sequence[Sequence[str]],
        layers: Sequence[int],
        limit: int = 256,
        check: Check | None = None,
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Per sentence (its place, (words, len(layers) * d) float32): the mean over each word's pieces.

        Words beyond ``limit`` pieces are read on their own context: a sentence longer than that is cut in windows.
        """
        windows = [
            (place, start, window)
            for place, words in enumerate(sentences)
            for start, window in self.windows(words, limit)
        ]
        out = {
            place: np.zeros((len(words), len(layers) * self.dimensions), np.float32)
            for place, words in enumerate(sentences)
        }
        lengths = [len(window[0]) for _, _, window in windows]
        for batch in batches(lengths, TOKENS):
            if check:
                check()
            hidden = self.hidden([windows[i][2][0] for i in batch], layers)
            joined = np.concatenate(hidden, axis=2)
            for row, i in enumerate(batch):
                place, start, (ids, owner) = windows[i]
                inside = owner >= 0
                own, whose = (
                    joined[row, : len(ids)][inside],
                    owner[inside],
                )  # pieces stand in the order of words
                if len(whose):
                    first = np.flatnonzero(np.diff(whose, prepend=-1))
                    pieces = np.diff(first, append=len(whose))[:, None]
                    summed = np.add.reduceat(own, first, axis=0) / pieces
                    out[place][start + whose[first]] = summed
        yield from out.items()

    def windows(self, words: Sequence[str], limit: int) -> Iterator[tuple[int, tuple[list[int], np.ndarray]]]:
        """Runs of words as (first word, (token ids, word of each token or -1)), each of at most ``limit`` tokens."""
        tokenizer = self.tokenizer
        begin, end = self.special
        limit = min(limit, self._most)
        pieces = tokenizer.encode_batch_fast([_sound(word) for word in words], add_special_tokens=False)
        ids, owner, start = list(begin), [-1] * len(begin), 0
        for number, piece in enumerate(pieces):
            more = list(piece.ids[:16])
            if len(ids) + len(more) + len(end) > limit and number > start:
                yield start, (ids + end, np.array(owner + [-1] * len(end)))
                ids, owner, start = list(begin), [-1] * len(begin), number
            ids += more
            owner += [number - start] * len(more)
        if words:
            yield start, (ids + end, np.array(owner + [-1] * len(end)))

    @property
    def tokenizer(self) -> Any:
        if self._tokenizer is None:
            from tokenizers import Tokenizer

            self._tokenizer = Tokenizer.from_file(str(self._description.folder / "tokenizer.json"))
            self._tokenizer.no_padding()
            self._tokenizer.no_truncation()
        return self._tokenizer

    @property
    def special(self) -> tuple[list[int], list[int]]:
        """The token ids before and behind a text."""
        ids = self.tokenizer.encode("a").ids
        inner = self.tokenizer.encode("a", add_special_tokens=False).ids
        at = next((i for i in range(len(ids)) if ids[i : i + len(inner)] == inner), 0)
        return ids[:at], ids[at + len(inner) :]

    def token_ids(self, texts: Sequence[str], limit: int = SHORT) -> list[list[int]]:
        """Token ids with the special ones, at most ``limit``; never empty."""
        begin, end = self.special
        room = min(limit, self._most) - len(begin) - len(end)
        cut = [_sound(text[: 12 * limit]) for text in texts]
        if self._description.lower_case:
            cut = [text.lower() for text in cut]
        found = self.tokenizer.encode_batch_fast(cut, add_special_tokens=False)
        pad = [int(self._description.config.get("pad_token_id") or 0)]
        return [begin + list(one.ids[:room]) + end or pad for one in found]

    def hidden(self, ids: Sequence[Sequence[int]], layers: Sequence[int]) -> list[np.ndarray]:
        """(b, l, d) float32 for each of ``layers``; what lies behind a text's own tokens is not to be read."""
        if graph.supported(self._description.config):
            return self._on_onnx(ids, tuple(layers))
        return self._on_torch(ids, layers)

    def tensors(self) -> Mapping[str, np.ndarray]:
        """The weights that compute, by the names of the model's file."""
        from forge_models.encoder.weights import mapped

        own = mapped(self._description.folder / "model.safetensors")
        return own if self._weights is None else {**own, **self._weights}

    def _on_onnx(self, ids: Sequence[Sequence[int]], layers: tuple[int, ...]) -> list[np.ndarray]:
        tensors = self._sessions.setdefault((), self.tensors())
        if layers not in self._sessions:
            shown = [f"{layer}.qkv.in" for layer in layers]
            made = graph.bert(tensors, self._description.config, show=shown)
            self._sessions[layers] = session(made)
        lengths = np.fromiter(map(len, ids), np.int32, len(ids))
        longest = int(lengths.max())
        padded = np.zeros((len(ids), longest), np.int64)
        for row, one in zip(padded, ids, strict=True):
            row[: len(one)] = one
        hidden = np.take(tensors["embeddings.word_embeddings.weight"], padded, axis=0)
        types = tensors["embeddings.token_type_embeddings.weight"][0]
        hidden += tensors["embeddings.position_embeddings.weight"][:longest] + types
        weights = np.zeros((len(ids), 1, longest), np.float32)
        given = {"hidden": hidden, "lengths": lengths, "weights": weights}
        return self._sessions[layers].run([f"{layer}.qkv.in" for layer in layers], given)

    def _on_torch(self, ids: Sequence[Sequence[int]], layers: Sequence[int]) -> list[np.ndarray]:
        import torch
        from transformers import AutoModel

        if () not in self._sessions:
            folder = self._description.folder
            model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
            self._sessions[()] = model.float().eval()
        lengths = torch.tensor([len(one) for one in ids])
        padded = torch.zeros(len(ids), int(lengths.max()), dtype=torch.int64)
        for row, one in zip(padded, ids, strict=True):
            row[: len(one)] = torch.tensor(one)
        mask = (torch.arange(padded.shape[1]) < lengths[:, None]).long()
        with torch.inference_mode():
            out = self._sessions[()](input_ids=padded, attention_mask=mask, output_hidden_states=True)
        return [out.hidden_states[layer].numpy() for layer in layers]


@lru_cache(2)
def frozen(name: str = DEFAULT) -> LayeredEncoder:
    """The encoder called ``name`` (see ``forge_models.encoder.load``), kept while it is used."""
    return LayeredEncoder(described(name))


@lru_cache(4)
def described(name: str = DEFAULT) -> Description:
    return describe(find(name))


def session(model: bytes) -> Any:
    """A session that lets others work: its threads sleep when they wait, and OMP_NUM_THREADS bounds them."""
    import onnxruntime

    from forge_models.encoder.onnx_backend import cores

    asked = os.environ.get("OMP_NUM_THREADS", "")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(cores(), int(asked)) if asked.isdigit() and int(asked) else cores()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _sound(text: str) -> str:
    """Without lone surrogates, which are no text."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
