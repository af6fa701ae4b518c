"""Who competes for the tasks of the nlp family. Light to import: the work is done in the modules beside this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from forge_models.encoder import DEFAULT
from forge_models.family import Compute, Splits, TrainingRun

if TYPE_CHECKING:
    import pyarrow as pa

Config = Mapping[str, Any]
ORDER = ("chunk_id", "event_id", "set", "number")  # what names a row, in the tables that have it
Fit = Callable[["pa.Table", Config, TrainingRun, str], Any]


@dataclass
class Way:
    """One candidate: ``quick`` and ``full`` are its configurations, the default first; ``how`` fits training rows.

    ``sample`` in a configuration: no more training rows than that, drawn by the run's seed.
    """

    name: str
    how: Fit
    quick: Sequence[Config]
    full: Sequence[Config]
    is_baseline: bool = False
    compute: Compute = "cpu"
    needs: str = ""  # the task whose model the settings must name

    def configs(self, preset: str) -> Sequence[Config]:
        return self.quick if preset == "quick" else self.full

    def fit(self, splits: Splits, config: Config, run: TrainingRun) -> Any:
        rows = splits.part("train")
        order = [(name, "ascending") for name in ORDER if name in rows.schema.names]
        if order:  # of their own: the collation of a database is not the same everywhere
            rows = rows.sort_by(order)
        most = int(config.get("sample", 0))
        if 0 < most < rows.num_rows:
            import numpy as np

            chosen = np.random.default_rng(run.seed).choice(rows.num_rows, most, replace=False)
            rows = rows.take(np.sort(chosen))
        return self.how(rows, config, run, run.text_encoder or DEFAULT)


def _column(rows: pa.Table, name: str) -> list[Any]:
    found: list[Any] = rows[name].to_pylist()
    return found


def _sentiment_majority(rows: pa.Table, config: Config, run: TrainingRun, encoder: str) -> Any:
    from forge_models.nlp import classifying

    return classifying.fit_majority(_column(rows, "label"))


def _sentiment_words(rows: pa.Table, config: Config, run: TrainingRun, encoder: str) -> Any:
    from forge_models.nlp import classifying

    return classifying.fit_words(_column(rows, "text"), _column(rows, "label"), config)


def _sentiment_frozen(rows: pa.Table, config: Config, run: TrainingRun, encoder: str) -> Any:
    from forge_models.nlp import classifying

    return classifying.fit_frozen(_column(rows, "text"), _column(rows, "label"), config, run, encoder)


def _sentiment_tuned(rows: pa.Table, config: Config, run: TrainingRun, encoder: str) -> Any:
    from forge_models.nlp import classifying

    return classifying.fit_tuned(_column(rows, "text"), _column(rows, "label"), config, run, encoder)


def _sentiment_pipeline(rows: pa.Table, config: Config, run: TrainingRun, encoder: str) -> Any:
    from forge_models.nlp import given

    return given.fit_classifier(_column(rows, "text"), _column(rows, "label"), run)


def _topics_words(rows: pa.Table, config: Config, run: TrainingRun, encoder: str) -> Any:
    from forge_models.nlp import topics

    return topics.fit_words(_column(rows, "text"), config, run, run.incumbent())


def _topics_clusters(rows: pa.Table, config: Config, run: TrainingRun, encoder: str) -> Any:
    from forge_models.nlp import topics

    return topics.fit_clusters(_column(rows, "text"), config, run, encoder, run.incumbent())


def _topics_network(rows: pa.Table, config: Config, run: TrainingRun, encoder: str) -> Any:
    from forge_models.nlp import topics_net

    return topics_net.fit_network(_column(rows, "text"), config, run, encoder, run.incumbent())


def _tagged(rows: pa.Table) -> list[tuple[list[str], list[str]]]:
    return list(zip(_column(rows, "tokens"), _column(rows, "tags"), strict=True))


def _entities_lexicon(rows: pa.Table, config: Config, run: TrainingRun, encoder: str) -> Any:
    from forge_models.nlp import tagging

    return tagging.fit_lexicon(_tagged(rows), config)


def _entities_linear(rows: pa.Table, config: Config, run: TrainingRun, encoder: str) -> Any:
    from forge_models.nlp import tagging

    return tagging.fit_linear(_tagged(rows), config, run, encoder)


def _entities_network(rows: pa.Table, config: Config, run: TrainingRun, encoder: str) -> Any:
    from forge_models.nlp import tagging_fit

    return tagging_fit.fit_network(_tagged(rows), config, run, encoder)


def _entities_pipeline(rows: pa.Table, config: Config, run: TrainingRun, encoder: str) -> Any:
    from forge_models.nlp import given

    return given.fit_tagger(_tagged(rows), run)


def _languages(rows: pa.Table) -> list[tuple[str, str]]:
    return list(zip(_column(rows, "text"), _column(rows, "label"), strict=True))


def _language_script(rows: pa.Table, config: Config, run: TrainingRun, encoder: str) -> Any:
    from forge_models.nlp import language

    return language.fit_script(_languages(rows), config)


def _language_counts(rows: pa.Table, config: Config, run: TrainingRun, encoder: str) -> Any:
    from forge_models.nlp import language

    return language.fit_counts(_languages(rows), config)


def _language_network(rows: pa.Table, config: Config, run: TrainingRun, encoder: str) -> Any:
    from forge_models.nlp import language

    return language.fit_network(_languages(rows), config, run)


def _summaries_lead(rows: pa.Table, config: Config, run: TrainingRun, encoder: str) -> Any:
    from forge_models.nlp import summaries

    return summaries.fit_lead(config)


def _summaries_ranked(rows: pa.Table, config: Config, run: TrainingRun, encoder: str) -> Any:
    from forge_models.nlp import summaries

    return summaries.fit_ranked(_column(rows, "text"), _column(rows, "reference"), config, run, encoder)


def _summaries_network(rows: pa.Table, config: Config, run: TrainingRun, encoder: str) -> Any:
    from forge_models.nlp import summaries_net

    return summaries_net.fit_network(_column(rows, "text"), _column(rows, "reference"), config, run, encoder)


TUNED: Config = {"epochs": 3, "learning_rate": 1e-4, "lora": 0, "dropout": 0.1, "tokens": 96}
NAMES: Config = {
    "epochs": 8, "learning_rate": 2e-3, "width": 160, "dropout": 0.3, "layers": (2, 4, 6), "tune_encoder": False,
}  # fmt: skip
NAMES_TUNED: Config = {**NAMES, "epochs": 4, "learning_rate": 3e-4, "tune_encoder": True}
GROUPS: Config = {"topics": 0, "dims": 48}
SEEDS: Config = {**GROUPS, "topics": 10, "learned": False}
NET_GROUPS: Config = {**GROUPS, "width": 128, "dropout": 0.1, "epochs": 20, "learning_rate": 2e-3}
RANKED: Config = {"sentences": 0, "repetition": 0.5, "ridge": 10.0}
NET_RANKED: Config = {
    **RANKED,
    "sentences": 3,
    "width": 64,
    "dropout": 0.4,
    "epochs": 8,
    "learning_rate": 1e-3,
}


FROZEN: Config = {"strength": 1.0, "word_strength": 1.0, "layers": 3}
LINEAR: Config = {"ridge": 10.0, "layers": (2, 4, 6)}
STEPS: Config = {"epochs": 20, "learning_rate": 0.05}


def _sizes(base: Config) -> list[Config]:
    return [base, {**base, "topics": 12}, {**base, "topics": 25}]


SENTIMENT = (
    Way("majority", _sentiment_majority, [{}], [{}], True),
    Way("nb_svm", _sentiment_words, [{"strength": 3.0}], [{"strength": c} for c in (3.0, 1.0, 10.0)]),
    Way("frozen", _sentiment_frozen, [{**FROZEN, "sample": 5000}], [FROZEN, {**FROZEN, "layers": 5}]),
    Way(
        "tuned",
        _sentiment_tuned,
        [{**TUNED, "epochs": 1, "sample": 200}],
        [TUNED, {**TUNED, "lora": 16, "learning_rate": 5e-4}],
        compute="gpu",
    ),
    Way("pipeline", _sentiment_pipeline, [{}], [{}], needs="sentiment"),
)
TOPICS = (
    Way("seeds", _topics_words, [SEEDS], [SEEDS], True),
    Way("word_clusters", _topics_words, [GROUPS], _sizes(GROUPS)),
    Way("clusters", _topics_clusters, [GROUPS], _sizes(GROUPS)),
    Way("network", _topics_network, [{**NET_GROUPS, "epochs": 6}], _sizes(NET_GROUPS), compute="gpu"),
)
ENTITIES = (
    Way("lexicon", _entities_lexicon, [{"smoothing": 1.0}], [{"smoothing": 1.0}], True),
    Way("linear", _entities_linear, [{**LINEAR, "sample": 1500}], [LINEAR]),
    Way(
        "network",
        _entities_network,
        [{**NAMES, "epochs": 3, "sample": 1000}],
        [NAMES, NAMES_TUNED],
        compute="gpu",
    ),
    Way("pipeline", _entities_pipeline, [{}], [{}], needs="entities"),
)
LANGUAGE = (
    Way("script", _language_script, [{}], [{}], True),
    Way("counts", _language_counts, [{}], [{}]),
    Way("network", _language_network, [STEPS], [STEPS, {**STEPS, "epochs": 40}], compute="gpu"),
)
SUMMARIES = (
    Way("lead", _summaries_lead, [{"sentences": 3}], [{"sentences": 3}], True),
    Way("ranked", _summaries_ranked, [RANKED], [RANKED, {**RANKED, "repetition": 0.0}]),
    Way("network", _summaries_network, [NET_RANKED], [NET_RANKED], compute="gpu"),
)
