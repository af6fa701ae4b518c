"""A small random encoder, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.models import encoder_models


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("encoder") / "small"
    return str(encoder_models.small(folder))
