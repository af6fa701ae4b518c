"""States as bytes: what comes back is what went in, and nothing else is accepted."""

from __future__ import annotations

import struct

import pytest
import torch

from forge_core.errors import ForgeError
from forge_models.engine.backbone import Backbone
from forge_models.engine.config import EngineConfig
from forge_models.engine.state import HEADER, State

CONFIG = EngineConfig.sized("small", dropout=0.0)


@pytest.fixture(scope="module")
def network() -> Backbone:
    torch.manual_seed(2)
    return Backbone(CONFIG).eval()


@pytest.fixture
def state(network: Backbone) -> State:
    with torch.no_grad():
        return network(torch.randn(3, 10, 64))[1]


def test_a_sequence_goes_on_from_saved_bytes(network: Backbone) -> None:
    x = torch.randn(2, 30, 64)
    with torch.no_grad():
        whole = network(x)[0]
        first = network(x[:, :13])[1].to_bytes()

        rest = network(x[:, 13:], state=State.from_bytes(first, CONFIG))[0]

    torch.testing.assert_close(rest, whole[:, 13:], rtol=1e-4, atol=1e-5)


def test_bytes_are_a_header_and_plain_numbers(state: State) -> None:
    data = state.to_bytes()

    again = State.from_bytes(data, CONFIG)

    assert len(data) == HEADER.size + 3 * CONFIG.state_bytes()
    assert all(torch.equal(a, b) for a, b in zip(again.layers, state.layers, strict=True))
    assert again.positions.tolist() == [10, 10, 10]


def test_rows_are_picked_and_joined(state: State) -> None:
    turned = state.index([2, 0])

    assert torch.equal(turned.layers[1][0], state.layers[1][2])
    assert torch.equal(State.join([turned, state.index([1])]).layers[0][2], state.layers[0][1])


def poisoned(data: bytes, at: int, value: bytes) -> bytes:
    return data[:at] + value + data[at + len(value) :]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: b"", "shorter than a header"),
        (lambda data: data[:-1], "length"),
        (lambda data: data + b"\0", "length"),
        (lambda data: b"\x80\x04" + data[2:], "not written by this version"),
        (lambda data: poisoned(data, 8, struct.pack("<I", 99)), "not written by this version"),
        (lambda data: poisoned(data, 16, struct.pack("<I", 2**32 - 1)), "length"),
        (lambda data: poisoned(data, 12, struct.pack("<I", 0)), "length"),
        (lambda data: poisoned(data, len(data) - 3, b"\xff"), "checksum"),
    ],
)
def test_spoiled_bytes_are_refused(state: State, spoil, reason: str) -> None:
    with pytest.raises(ForgeError, match=reason) as refused:
        State.from_bytes(spoil(state.to_bytes()), CONFIG)

    assert refused.value.code == "FORGE-ENGINE-STATE"


def test_another_engines_state_and_numbers_that_are_none_are_refused(state: State) -> None:
    with pytest.raises(ForgeError, match="another shape"):
        State.from_bytes(state.to_bytes(), EngineConfig.sized("small", num_heads=4))
    state.layers[0][0, 0, 0, 0] = float("nan")
    with pytest.raises(ForgeError, match="no engine writes"):
        State.from_bytes(state.to_bytes(), CONFIG)
