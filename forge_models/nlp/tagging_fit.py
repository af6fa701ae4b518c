"""Fitting the network that finds names, by the shared trainer, and using it: see ``tagging_net.py``.

Strict F1 on sentences that are held back decides which weights are kept, and how readily a name is said: messages have
few names, and a tagger that learned from likelihood alone is too shy for F1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from forge_models.encoder import DEFAULT
from forge_models.family import TrainingRun
from forge_models.nlp import spans
from forge_models.nlp.classifying import require_encoder, stopper
from forge_models.nlp.encoding import Check, LayeredEncoder, described, frozen
from forge_models.nlp.tagging import Tagger, no_words, prepared

BATCH = 16
HELD = 0.08  # share of the sentences that training does not see
LEAST_HELD = 25
AT_A_TIME = 64  # sentences of an inference batch
MOST_PIECES = 192  # of a training sentence, where the encoder learns
BOLDNESS = (0.0, 0.5, 1.0, 1.5, 2.0)  # taken off the score of O


@dataclass(frozen=True, kw_only=True)
class NetTagger(Tagger):
    """``arrays`` of the network; ``tensors`` of the encoder where it was tuned, else empty."""

    encoder: str
    identity: str
    layers: tuple[int, ...]
    arrays: Mapping[str, np.ndarray]
    tensors: Mapping[str, np.ndarray]
    kind: ClassVar[str] = "network"
    _kept: list[Any] = field(default_factory=list, compare=False, repr=False)

    def emissions(self, sentences: Sequence[Sequence[str]], check: Check | None = None) -> list[np.ndarray]:
        import torch

        from forge_models.nlp import tagging_net

        encoder, net = self._ready()
        found = [no_words(self)] * len(sentences)
        order = sorted(
            (i for i, words in enumerate(sentences) if len(words)), key=lambda i: len(sentences[i])
        )
        for at in range(0, len(order), AT_A_TIME):
            chosen = order[at : at + AT_A_TIME]
            words = [sentences[i] for i in chosen]
            vectors = dict(encoder.words(words, self.layers, check=check))
            hashes, looks = tagging_net.looked_at(words)
            held = tagging_net.Sentences(hashes, looks, None, [vectors[i] for i in range(len(words))], None)
            with torch.inference_mode():
                out = net.emissions(held.batch(np.arange(len(words)))).numpy()
            for row, i in enumerate(chosen):
                found[i] = out[row, : len(sentences[i])].copy()
                found[i][:, 0] -= float(self.config["boldness"])
        return found

    def _ready(self) -> tuple[LayeredEncoder, Any]:
        from forge_models.nlp import tagging_net

        require_encoder(self.encoder, self.identity)
        if not self._kept:
            own = self.tensors
            encoder = LayeredEncoder(described(self.encoder), own) if own else frozen(self.encoder)
            shape = shape_of(self.config, len(self.layers) * encoder.dimensions, len(self.labels))
            self._kept.extend([encoder, tagging_net.from_arrays(shape, self.labels, self.arrays)])
        return self._kept[0], self._kept[1]


def shape_of(config: Mapping[str, Any], context: int, tags: int) -> Any:
    from forge_models.nlp.tagging_net import Shape

    return Shape(context, tags, int(config["width"]), float(config["dropout"]))


def fit_network(
    rows: Sequence[tuple[Sequence[str], Sequence[str]]],
    config: Mapping[str, Any],
    run: TrainingRun,
    encoder: str = DEFAULT,
) -> NetTagger:
    """``rows`` are (words, tags).

    ``config``: ``epochs``, ``learning_rate``, ``width``, ``dropout``, ``layers`` (places), ``tune_encoder``.
    """
    import torch

    from forge_models.nlp import tagging_net
    from forge_models.trainer import TrainerConfig, train

    labels, coded, _, _ = prepared(rows)
    tuned = bool(config["tune_encoder"])
    known = frozen(encoder)
    layers = tuple(sorted({min(int(layer), known.layers) for layer in config["layers"]}))
    hashes, looks = tagging_net.looked_at([words for words, _ in rows])
    vectors = pieces = None
    usable = np.array([i for i, (words, _) in enumerate(rows) if len(words)])
    if tuned:
        cut = [next(iter(known.windows(words, MOST_PIECES)))[1] for words, _ in rows]
        pieces = cut
        whole = [int(owner.max(initial=-1)) + 1 == len(rows[i][0]) for i, (_, owner) in enumerate(cut)]
        usable = np.array([i for i in usable if whole[i]])
    else:
        found = known.words([words for words, _ in rows], layers, check=stopper(run))
        vectors = [one.astype(np.float16) for _, one in found]
    data = tagging_net.Sentences(hashes, looks, coded, vectors, pieces)
    order = np.random.default_rng(run.seed).permutation(usable)
    held = order[: int(HELD * len(order))]
    held = held if len(held) >= LEAST_HELD else order[:0]
    learned = np.setdiff1d(order, held)
    shape = shape_of(config, len(layers) * known.dimensions, len(labels))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(run.seed)
        module = tagging_net.NameNet(shape, labels, _trainable(encoder) if tuned else None)
    module.layers = layers
    steps = max(2, round(float(config["epochs"]) * len(learned) / BATCH))
    settings = TrainerConfig(
        max_steps=steps,
        batch_size=min(BATCH, len(learned)),
        learning_rate=float(config["learning_rate"]),
        warmup_steps=steps // 10,
        schedule="linear",
        evaluate_every=max(1, steps // 6),
        checkpoint_seconds=120.0,
    )
    gold = [list(rows[i][1]) for i in held]
    run.progress(f"names: {len(learned):,} sentences, {steps:,} steps")
    outcome = train(
        module, Chosen(data, learned), settings, run,
        score=(lambda m: _bold(m, data, held, gold, labels, (0.0, 1.0))[0]) if len(held) else None,
    )  # fmt: skip
    score, boldness = _bold(module, data, held, gold, labels, BOLDNESS) if len(held) else (-1.0, 0.5)
    row = {
        "sentences": len(learned), "steps": outcome.steps, "best_step": outcome.best_step, "held_back_f1": score,
        "boldness": boldness, "stopped": outcome.stopped, "precision": outcome.precision,
    }  # fmt: skip
    first, after = module.scores()
    model = NetTagger(
        labels, first.detach().double().numpy(), after.detach().double().numpy(),
        {**config, "boldness": boldness}, {"training": [row]}, outcome.history, encoder=encoder,
        identity=known.identity, layers=layers, arrays=tagging_net.as_arrays(module), tensors={},
    )  # fmt: skip
    return replace(model, tensors=_tensors(module.encoder)) if tuned else model


@dataclass(frozen=True)
class Chosen:
    """Some of the sentences, by their places."""

    data: Any
    places: np.ndarray

    def __len__(self) -> int:
        return len(self.places)

    def batch(self, indices: np.ndarray) -> Any:
        return self.data.batch(self.places[indices])


def _bold(
    module: Any,
    data: Any,
    held: np.ndarray,
    gold: Sequence[Sequence[str]],
    labels: Sequence[str],
    choices: Sequence[float],
) -> tuple[float, float]:
    """The best strict F1 on the sentences held back, and how much is taken off O for it."""
    import torch

    device = next(module.parameters()).device
    first, after = (one.detach().double().cpu().numpy() for one in module.scores())
    rows: list[np.ndarray] = []
    with torch.inference_mode():
        for at in range(0, len(held), AT_A_TIME):
            part = held[at : at + AT_A_TIME]
            batch = {name: value.to(device) for name, value in data.batch(part).items()}
            out = module.emissions(batch).double().cpu().numpy()
            rows += [out[row, : len(data.hashes[i])] for row, i in enumerate(part)]
    best = (-1.0, 0.0)
    for choice in choices:
        shift = np.zeros(len(labels))
        shift[0] = choice
        said = [[labels[t] for t in spans.viterbi(row - shift, first, after)] for row in rows]
        score = spans.f1(spans.outcomes(gold, said))[0]
        best = max(best, (score, -choice))
    return best[0], -best[1]


def _trainable(name: str) -> Any:
    """The encoder on torch, its table of words standing still."""
    from forge_models.nlp.finetuning import build

    return build(described(name).folder, 2, {}).encoder


def _tensors(encoder: Any) -> dict[str, np.ndarray]:
    state = {name: t.detach().float().cpu().numpy().copy() for name, t in encoder.state_dict().items()}
    still = ("embeddings.word_embeddings.weight", "embeddings.position_ids", "embeddings.token_type_ids")
    return {name: value for name, value in state.items() if name not in still}
