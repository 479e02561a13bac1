"""Files that are no models, or damaged; and writing in one go."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from edge2torch import Edge2TorchError
from edge2torch.io import load_model, save_model


@pytest.fixture
def path(trained, edges, tmp_path):
    save_model(*trained(edges), tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def rewritten(path: Path, change) -> Path:
    """The same file with other metadata."""
    with safe_open(path, "pt") as file:
        described = json.loads(file.metadata()["edge2torch"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(tensors, path, {"edge2torch": change(described)})
    return path


DAMAGED = "model.safetensors is not a safetensors file, or is damaged"


@pytest.mark.parametrize("content", [b"", b"source,target\na,b\n" * 20, b"\x80\x04\x95" * 50, bytes(100)])
def test_another_kind_of_file(content, path):
    path.write_bytes(content)
    with pytest.raises(Edge2TorchError, match=DAMAGED):
        load_model(path)


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, -1])
def test_truncated(share, path):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))] if share > 0 else content[:-1])
    with pytest.raises(Edge2TorchError, match=DAMAGED):
        load_model(path)


@pytest.mark.parametrize("metadata", [None, {}, {"format": "pt"}])
def test_foreign(metadata, path):
    """Of another program, which writes tensors of the same names."""
    save_file({"model.weight": torch.ones(3)}, path, metadata)
    with pytest.raises(Edge2TorchError, match=r"model\.safetensors was not written by edge2torch\.io\.save_model"):
        load_model(path)


@pytest.mark.parametrize("entry", ["{", "[]", "{}", '{"format": 1}', "", '{"format": "x"}'])
def test_damaged_metadata(entry, path):
    rewritten(path, lambda _: entry)
    with pytest.raises(Edge2TorchError, match=r"model\.safetensors is damaged: "):
        load_model(path)


@pytest.mark.parametrize("part", ["rebuilds", "settings", "preprocessing", "nodes"])
def test_part_of_the_metadata_is_missing(part, path):
    rewritten(path, lambda d: json.dumps({name: value for name, value in d.items() if name != part}))
    with pytest.raises(Edge2TorchError, match=rf"model\.safetensors is damaged: it lacks '{part}'"):
        load_model(path)


@pytest.mark.parametrize("missing", ["graph.source", "model.identity", "model."])
def test_tensors_are_missing(missing, path):
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys() if not name.startswith(missing)}  # noqa: SIM118
    save_file(tensors, path, metadata)
    with pytest.raises(Edge2TorchError, match="damaged"):
        load_model(path)


@pytest.mark.parametrize("change", [{"nodes": ["a", "b"]}, {"settings": {"colour": "red"}}], ids=str)
def test_metadata_that_does_not_fit(change, path):
    rewritten(path, lambda d: json.dumps({**d, **change}))
    with pytest.raises(Edge2TorchError, match="damaged"):
        load_model(path)


@pytest.mark.parametrize("change", [{"preprocessing": "counts"}, {"nodes": [*"abcghk", "late", "early"]}], ids=str)
def test_metadata_of_another_model(change, path):
    """Its tensors say which model they belong to."""
    rewritten(path, lambda d: json.dumps({**d, **change}))
    with pytest.raises(Edge2TorchError, match="is damaged: its weights do not belong to its graph"):
        load_model(path)


def test_newer_format(path):
    newer = rewritten(path, lambda d: json.dumps({**d, "format": 2, "edge2torch_version": "9.9"}))
    with pytest.raises(Edge2TorchError, match=r"written by edge2torch 9\.9, in a newer format: update edge2torch"):
        load_model(newer)


def test_newer_format_of_another_shape(path):
    """A later version may describe a model in another way."""
    newer = rewritten(path, lambda _: json.dumps({"format": 99, "edge2torch_version": "9.9", "models": []}))
    with pytest.raises(Edge2TorchError, match="newer format"):
        load_model(newer)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        load_model(tmp_path / "nothing.safetensors")


def test_a_folder(tmp_path):
    with pytest.raises(OSError):  # noqa: PT011 - what the system says
        load_model(tmp_path)


def test_no_folder(trained, edges, tmp_path):
    with pytest.raises(Edge2TorchError, match="nowhere does not exist: make it first"):
        save_model(*trained(edges), tmp_path / "nowhere" / "model.safetensors")
    assert list(tmp_path.iterdir()) == [], "it is not made silently"


def test_a_folder_of_that_name(trained, edges, tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(Edge2TorchError, match="model is a folder"):
        save_model(*trained(edges), tmp_path / "model")
    assert [each.name for each in tmp_path.iterdir()] == ["model"], "nothing is left beside it"
    assert list((tmp_path / "model").iterdir()) == []


def test_wrong_artifact_is_not_written(trained, edges, tmp_path):
    model, _ = trained(edges)
    _, other = trained(edges.replace("k", "kk"))
    with pytest.raises(Edge2TorchError, match="do not belong together"):
        save_model(model, other, tmp_path / "model")
    with pytest.raises(Edge2TorchError, match="must hold one model from compile_graph; it holds 0"):
        save_model(torch.nn.Linear(3, 2), other, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_replaced(path, trained, edges, x):
    model, artifact = trained(edges, "recurrent", activation="tanh", steps=4)
    save_model(model, artifact, path)
    assert torch.equal(load_model(path)[0](x), model(x))
    assert list(path.parent.iterdir()) == [path]


FULL = OSError(28, "No space left on device")


@pytest.mark.parametrize("after", [0, 100])
def test_error_while_writing(after, path, trained, edges, monkeypatch):
    """The old file stays, and no other is left beside it."""
    before = path.read_bytes()

    write = Path.write_bytes

    def write_some(self, content):
        if after:
            write(self, content[:after])
        raise FULL

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", write_some)
        with pytest.raises(Edge2TorchError, match="cannot be written: No space left on device"):
            save_model(*trained(edges, "graphnn"), path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_error_while_replacing(path, trained, edges, monkeypatch):
    before = path.read_bytes()

    def fail(_self, _target):
        raise FULL

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(Edge2TorchError, match="cannot be written: No space left on device"):
        save_model(*trained(edges, "graphnn"), path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_old_file_is_complete_until_the_new_one_is(path, trained, edges, monkeypatch):
    """Whoever reads while another one writes gets the old model."""
    before = path.read_bytes()
    write, seen = Path.write_bytes, []

    def look_in_between(self, content):
        for end in (0, len(content) // 2, len(content)):
            write(self, content[:end])
            assert path.read_bytes() == before
            seen.append(load_model(path)[1].backend)

    monkeypatch.setattr(Path, "write_bytes", look_in_between)
    save_model(*trained(edges, "graphnn"), path)
    assert seen == ["feedforward"] * 3
    assert load_model(path)[1].backend == "graphnn"


@pytest.mark.parametrize("name", ["α β.safetensors", ".hidden", "no suffix", "two.dots.safetensors"])
def test_names_of_files(name, trained, edges, x, tmp_path):
    model, artifact = trained(edges)
    save_model(model, artifact, tmp_path / name)
    assert [each.name for each in tmp_path.iterdir()] == [name]
    assert torch.equal(load_model(tmp_path / name)[0](x), model(x))


def test_relative_path(trained, edges, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_model(*trained(edges), "model.safetensors")
    load_model("model.safetensors")
    assert [each.name for each in tmp_path.iterdir()] == ["model.safetensors"]


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_permissions(path, tmp_path):
    """As of any file: colleagues may read a model in a shared folder."""
    (tmp_path / "other").write_text("")
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_permissions_by_the_mask(mask, trained, edges, tmp_path):
    before = os.umask(mask)
    try:
        save_model(*trained(edges), tmp_path / "model")
    finally:
        os.umask(before)
    assert (tmp_path / "model").stat().st_mode & 0o777 == 0o666 & ~mask


def test_small(path):
    """A file is as large as its tensors and names: no index of the edges beside the edge list."""
    with safe_open(path, "pt") as file:
        named = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert sum(part.numel() for name, part in named.items() if name.startswith("graph.")) == 2 * 10
    weights = [part.numel() for name, part in named.items() if name.startswith("model.") and part.is_floating_point()]
    assert sum(weights) == 10 + 5, "one per edge, and a bias per node behind the inputs"
