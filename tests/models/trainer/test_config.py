"""A training configuration: refused with reasons; the order of examples and the learning rate follow from the step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from forge_core.errors import ForgeError, UsageError
from forge_models.trainer import TrainerConfig, learning_rate
from forge_models.trainer.failures import DeviceLost, MemoryShort, survivable
from forge_models.trainer.ordering import Order, step_seed
from forge_models.trainer.plan import make_plan
from tests.models.trainer.toys import a_run


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_steps", 0),
        ("batch_size", 0),
        ("accumulate", 0),
        ("warmup_steps", -1),
        ("warmup_steps", 1000),
        ("learning_rate", float("nan")),
        ("learning_rate", 0.0),
        ("weight_decay", -0.1),
        ("clip", 0.0),
        ("precision", "int8"),
        ("device", "tpu"),
        ("device", "cpu:0"),
        ("strategy", "zero"),
        ("schedule", "step"),
        ("patience", -1),
    ],
)
def test_a_wrong_field_is_refused_by_name(field, value):
    with pytest.raises(UsageError) as refused:
        TrainerConfig(**{field: value})

    assert refused.value.code == "FORGE-TRAINER-CONFIG"
    assert field in str(refused.value)


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(UsageError, match=r"batch_size.*clip"):
        TrainerConfig(batch_size=0, clip=-1)


def test_the_learning_rate_rises_and_falls_with_the_step_alone():
    config = TrainerConfig(max_steps=110, warmup_steps=10, learning_rate=1.0)

    assert learning_rate(config, 0) == pytest.approx(0.1)
    assert learning_rate(config, 10) == pytest.approx(1.0)
    assert learning_rate(config, 60) == pytest.approx(0.55)
    assert learning_rate(config, 110) == pytest.approx(0.1)
    assert learning_rate(replace(config, schedule="constant"), 109) == 1.0


@pytest.mark.parametrize("size", [1, 5, 7, 10])
def test_every_pass_sees_every_example_once_and_every_step_is_full(size):
    order = Order(10, size, seed=3)

    steps = [order.indices(step) for step in range(40)]

    assert {len(step) for step in steps} == {size}
    seen = np.concatenate(steps)[: 4 * 10].reshape(4, 10)
    assert (np.sort(seen, 1) == np.arange(10)).all()
    assert len({tuple(one) for one in seen}) == 4, "each pass in an order of its own"


def test_the_order_of_a_step_needs_no_step_before_it():
    walked = [Order(50, 8, seed=1).indices(step) for step in range(20)]

    assert (Order(50, 8, seed=1).indices(19) == walked[19]).all()
    assert (Order(50, 8, seed=2).indices(19) != walked[19]).any()
    assert len({step_seed(0, step, rank) for step in range(100) for rank in range(2)}) == 200


def test_a_machine_without_the_device_trains_on_the_cpu_and_says_so(tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has the device")
    plan, notes = make_plan(TrainerConfig(device="cuda", precision="fp16"), a_run(tmp_path), 100)

    assert (plan.device, plan.precision) == ("cpu", "bf16")
    assert len(notes) == 2
    assert "CPU" in notes[0]
    assert "bfloat16" in notes[1]


def test_half_a_batch_at_a_time_leaves_the_step_as_it_was(tmp_path):
    plan, _ = make_plan(TrainerConfig(batch_size=12, accumulate=2), a_run(tmp_path), 100)

    halved = plan.halved().halved()

    assert (plan.batch_size, plan.parts()) == (12, 2)
    assert (halved.batch_size, halved.parts(), halved.effective) == (3, 8, 24)
    with pytest.raises(ForgeError, match="FORGE-TRAINER-MEMORY"):
        halved.halved().halved().halved()


def test_F_D10_failures_are_known_by_what_torch_says():
    import torch

    short = "[enforce fail at alloc_cpu.cpp:119] . DefaultCPUAllocator: not enough memory: you tried to allocate 9 B."

    assert survivable(RuntimeError(short), cuda=False) is MemoryShort
    assert survivable(torch.cuda.OutOfMemoryError("CUDA out of memory."), cuda=True) is MemoryShort
    assert survivable(MemoryError(), cuda=False) is MemoryShort
    assert survivable(RuntimeError("CUDA error: unspecified launch failure"), cuda=True) is DeviceLost
    assert survivable(RuntimeError("shapes do not match"), cuda=True) is None
    assert survivable(ValueError("out of memory"), cuda=True) is None
