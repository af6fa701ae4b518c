"""The trainer of all torch families: ``train(module, batches, config, run, score)``.

Light to import: torch and lightning come with the first call.
"""

from forge_models.trainer.config import TrainerConfig, learning_rate
from forge_models.trainer.outcome import Batches, Outcome, Row, Stopped, Trainable
from forge_models.trainer.training import train

__all__ = ["Batches", "Outcome", "Row", "Stopped", "Trainable", "TrainerConfig", "learning_rate", "train"]
