from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pooch
import pytest

import edge2torch as e2t
from edge2torch._settings import Settings


@pytest.fixture
def settings(monkeypatch):
    monkeypatch.delenv("EDGE2TORCH_CACHE_DIR", raising=False)
    return Settings()


def test_there_is_one_object_for_all():
    assert isinstance(e2t.settings, Settings)
    assert "settings" in dir(e2t)
    assert "settings" in e2t.__all__


def test_the_cache_is_where_the_system_has_caches(settings):
    assert settings.cache_dir == Path(pooch.os_cache("edge2torch"))


def test_the_environment_names_the_cache_until_it_is_set(settings, tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE2TORCH_CACHE_DIR", str(tmp_path / "one"))
    assert settings.cache_dir == tmp_path / "one"
    settings.cache_dir = tmp_path / "two"
    assert settings.cache_dir == tmp_path / "two"
    settings.cache_dir = None
    assert settings.cache_dir == tmp_path / "one"


def test_home_and_relative_folders_are_made_whole(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings.cache_dir = "here"
    assert settings.cache_dir == tmp_path / "here"
    settings.cache_dir = "~/here"
    assert settings.cache_dir == Path.home() / "here"


@pytest.mark.parametrize("value", ["", 3, b"x", "~no such user/x"])
def test_what_is_no_folder_is_refused(settings, value):
    with pytest.raises(e2t.Edge2TorchError, match=r"settings\.cache_dir=.* is not the path of a folder"):
        settings.cache_dir = value
    assert settings.cache_dir == Path(pooch.os_cache("edge2torch"))


def test_a_file_is_no_cache(settings, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(e2t.Edge2TorchError, match="is a file: name a folder"):
        settings.cache_dir = file
    monkeypatch.setenv("EDGE2TORCH_CACHE_DIR", str(file))
    with pytest.raises(e2t.Edge2TorchError, match=r"EDGE2TORCH_CACHE_DIR=.* is a file"):
        _ = settings.cache_dir


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("timeout", [0.5, 60], [0, -1, "30", None, float("inf"), float("nan"), True]),
        ("retries", [0, 9], [-1, 1.5, "3", None, True]),
        (
            "mirror",
            ["http://127.0.0.1:8000", "https://mirror.example.org/edge2torch/", None],
            [
                "mirror.example.org",
                "ftp://mirror.example.org",
                "https://",
                "http://[",
                "https://a.org/?q=1",
                3,
                Path("a"),
            ],
        ),
    ],
)
def test_values_are_checked_when_they_are_set(settings, name, good, bad):
    for value in good:
        setattr(settings, name, value)
        assert getattr(settings, name) == value
    for value in bad:
        with pytest.raises(e2t.Edge2TorchError, match=rf"settings\.{name}="):
            setattr(settings, name, value)
        assert getattr(settings, name) == good[-1]


def test_a_mistyped_setting_is_noticed(settings):
    with pytest.raises(AttributeError):
        settings.time_out = 3


def test_all_of_them_are_shown(settings, tmp_path):
    settings.cache_dir = tmp_path
    assert repr(settings) == f"Settings(cache_dir={str(tmp_path)!r}, timeout=30, retries=3, mirror=None)"


def test_neither_settings_nor_remote_names_load_what_downloads():
    program = (
        "import sys, edge2torch, edge2torch.prior.remote; edge2torch.settings.timeout = 3; "
        "print(sorted({'decoupler', 'pooch', 'requests', 'torch', 'anndata'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
