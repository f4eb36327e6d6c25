"""The cache folder is the same whatever the working directory."""

from pathlib import Path

import pytest

from vln import data
from vln.data import CHECKOUT, cache_folder


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    for name in ("VLN_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_the_working_directory_does_not_matter(tmp_path, monkeypatch):
    before = cache_folder()
    monkeypatch.chdir(tmp_path)
    assert cache_folder() == before == CHECKOUT / "cache"


def test_the_folder_given_comes_before_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("VLN_CACHE", str(tmp_path / "environment"))
    assert cache_folder() == tmp_path / "environment"
    assert cache_folder(tmp_path / "given") == tmp_path / "given"


def test_an_installed_package_keeps_it_with_the_users_caches(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "CHECKOUT", tmp_path)
    assert cache_folder() == Path.home() / ".cache" / "vln"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert cache_folder() == tmp_path / "caches" / "vln"


def test_every_kind_of_data_is_kept_there(tmp_path, monkeypatch):
    from envs.habitat.settings import Workers
    from envs.houses.dataset import file_name, houses_split

    monkeypatch.setenv("VLN_CACHE", str(tmp_path))
    houses_split("train", "houses-short", houses=1, workers=1)
    assert (tmp_path / "houses" / file_name("houses-short", "train", 0)).is_file()
    assert Workers().cache == tmp_path / "navmeshes"
