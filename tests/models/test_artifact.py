"""The artifact format: what was written is read back, and nothing else is ever read."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from forge_core.errors import Refused, UsageError
from forge_models import artifact

ARRAYS = {
    "weights": np.arange(12, dtype=np.float64).reshape(3, 4),
    "ids": np.array([3, 1, 2], np.int64),
    "flags": np.array([True, False]),
    "empty": np.zeros((0, 5), np.float32),
    "scalar": np.array(2.5, np.float32),
}
DOCUMENT = {"family": "test", "config": {"lambda": 400.0}, "name": "naïve"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "model"
    artifact.write(place, ARRAYS, DOCUMENT)
    return place


def forge(folder: Path, name: str, data: bytes) -> None:
    """Replace a file and make the manifest agree, as an attacker who can write the folder would."""
    (folder / name).write_bytes(data)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def safetensors(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def refusal(folder: Path) -> str:
    with pytest.raises(Refused) as error:
        artifact.read(folder)
    return error.value.code


def test_what_is_written_is_read(folder: Path) -> None:
    arrays, document = artifact.read(folder)
    assert document == DOCUMENT
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_the_same_content_has_the_same_digest_and_other_content_another(folder: Path, tmp_path: Path) -> None:
    again = artifact.write(tmp_path / "again", ARRAYS, DOCUMENT)
    other = artifact.write(tmp_path / "other", ARRAYS, DOCUMENT | {"seed": 1})
    assert artifact.digest(folder) == again != other


def test_writing_replaces_a_model_and_an_empty_folder_but_nothing_else(folder: Path, tmp_path: Path) -> None:
    artifact.write(folder, ARRAYS, {"version": 2})
    assert artifact.read(folder)[1] == {"version": 2}
    (tmp_path / "empty").mkdir()
    artifact.write(tmp_path / "empty", ARRAYS, DOCUMENT)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(UsageError):
        artifact.write(tmp_path / "mine", ARRAYS, DOCUMENT)
    assert sorted(os.listdir(tmp_path)) == ["empty", "mine", "model"]  # no staging left behind


def test_files_are_private_to_their_owner(folder: Path) -> None:
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_a_hundred_thousand_strings_survive() -> None:
    names = [f"youtube:{number:07d}é" for number in range(100_000)] + ["", "🎬"]
    assert artifact.unpack_strings("items", artifact.pack_strings("items", names)) == names


def test_offsets_outside_the_bytes_are_refused() -> None:
    packed = artifact.pack_strings("items", ["a", "b"])
    packed["items.offsets"] = np.array([0, 5, 2], np.int64)
    with pytest.raises(Refused):
        artifact.unpack_strings("items", packed)


@pytest.mark.parametrize(
    "name", ["extra.pkl", "model.joblib", "weights.pt", "weights.h5", "x.dill", "hook.py"]
)
def test_f_m1_a_file_that_could_run_code_is_refused_and_not_opened(
    folder: Path, tmp_path: Path, name: str
) -> None:
    canary = tmp_path / "canary"

    class Trap:
        def __reduce__(self):
            return (Path.touch, (canary,))

    (folder / name).write_bytes(pickle.dumps(Trap()))
    assert refusal(folder) == "FORGE-ARTIFACT-EXECUTABLE"
    assert not canary.exists()


def test_f_m1_a_pickle_under_the_name_of_the_tensors_is_refused(folder: Path) -> None:
    forge(folder, artifact.TENSORS, pickle.dumps(ARRAYS))
    assert refusal(folder).startswith("FORGE-ARTIFACT-")


@pytest.mark.parametrize("name", [artifact.TENSORS, artifact.DOCUMENT])
def test_f_m2_one_flipped_bit_is_refused_before_parsing(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    assert refusal(folder) == "FORGE-ARTIFACT-HASH"
    with pytest.raises(Refused):
        artifact.digest(folder)


def test_f_m3_tensors_that_lie_about_themselves_are_refused(folder: Path) -> None:
    one = {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}
    lies = {
        "more elements than bytes": safetensors({"w": one | {"shape": [2]}}, bytes(8)),
        "2**63 elements": safetensors({"w": one | {"shape": [2**63]}}, bytes(8)),
        "a product that overflows to zero": safetensors({"w": one | {"shape": [2**32, 2**32]}}, bytes(8)),
        "a negative size": safetensors({"w": one | {"shape": [-1]}}, bytes(8)),
        "a size that is no number": safetensors({"w": one | {"shape": [True]}}, bytes(8)),
        "an end beyond the file": safetensors({"w": one | {"data_offsets": [8, 16]}}, bytes(8)),
        "an unknown dtype": safetensors({"w": one | {"dtype": "O"}}, bytes(8)),
        "two tensors on the same bytes": safetensors({"v": one, "w": one}, bytes(8)),
        "bytes of no tensor": safetensors({"w": one}, bytes(16)),
        "a header longer than the file": (2**62).to_bytes(8, "little") + b"{}",
        "a deep header": safetensors(b"[" * 100_000),
        "no header": b"",
    }
    for what, data in lies.items():
        forge(folder, artifact.TENSORS, data)
        assert refusal(folder).startswith("FORGE-ARTIFACT-"), what


def test_f_m3_a_document_that_disagrees_with_the_tensors_is_refused(folder: Path) -> None:
    document = json.loads((folder / artifact.DOCUMENT).read_text())
    document["tensors"]["weights"]["shape"] = [4, 3]
    forge(folder, artifact.DOCUMENT, json.dumps(document).encode())
    assert refusal(folder) == "FORGE-ARTIFACT-SHAPE"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_neither_written_nor_read(
    folder: Path, tmp_path: Path, bad: float
) -> None:
    with pytest.raises(Refused):
        artifact.write(tmp_path / "bad", {"w": np.array([bad])}, {})
    header = {"w": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}
    forge(folder, artifact.TENSORS, safetensors(header, np.array([bad]).tobytes()))
    document = {"format": artifact.FORMAT, "document": {}, "tensors": {"w": {"dtype": "F64", "shape": [1]}}}
    forge(folder, artifact.DOCUMENT, json.dumps(document).encode())
    assert refusal(folder) == "FORGE-ARTIFACT-VALUE"


def test_f_m4_links_and_folders_are_refused(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (folder / artifact.TENSORS).rename(elsewhere)
    (folder / artifact.TENSORS).symlink_to(elsewhere)
    assert refusal(folder) == "FORGE-ARTIFACT-LINK"
    (tmp_path / "link").symlink_to(folder)
    assert refusal(tmp_path / "link") == "FORGE-ARTIFACT-MISSING"


def test_f_m4_duplicate_keys_are_refused(folder: Path) -> None:
    forge(folder, artifact.DOCUMENT, b'{"format": "x", "format": "forge-model/1"}')
    assert refusal(folder) == "FORGE-ARTIFACT-DUPLICATE"
    entry = b'{"dtype":"F64","shape":[1],"data_offsets":[0,8]}'
    artifact.write(folder, ARRAYS, DOCUMENT)
    forge(folder, artifact.TENSORS, safetensors(b'{"w":%s,"w":%s}' % (entry, entry), bytes(8)))
    assert refusal(folder) == "FORGE-ARTIFACT-DUPLICATE"


def test_files_that_the_manifest_does_not_name_are_refused(folder: Path) -> None:
    (folder / "notes.txt").write_text("x")
    assert refusal(folder) == "FORGE-ARTIFACT-FILES"


def test_a_model_larger_than_the_bound_is_refused_before_it_is_read(folder: Path) -> None:
    with pytest.raises(Refused) as error:
        artifact.read(folder, max_bytes=10)
    assert error.value.code == "FORGE-ARTIFACT-SIZE"
