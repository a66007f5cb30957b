"""Pythons asked about themselves."""

from __future__ import annotations

import json
import os
import sys
import venv
from pathlib import Path

import pytest

import talkclip
from talkclip.errors import InputError
from talkclip_blender.service import processes, pythons
from talkclip_blender.service.pythons import ask, find_maker, fits, require_engine, require_maker

posix = pytest.mark.skipif(os.name != "posix", reason="stand-ins for Python are scripts with a first line #!")


def stand_in(folder: Path, **answers: object) -> Path:
    """A program that answers as a Python would."""
    plain = {"version": [3, 11, 4], "bits": 64, "environments": True, "talkclip": None, "missing": [], "torch": False}
    program = folder / "python3"
    program.write_text(f"#!{sys.executable}\nprint({json.dumps(plain | answers)!r})\n")
    program.chmod(0o755)
    return program


def test_this_python_has_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nonsense")  # Blender's own variables must not mislead it
    facts = require_engine(Path(sys.executable), talkclip.__version__)
    assert facts.version == sys.version_info[:3] and facts.talkclip == talkclip.__version__ and facts.missing == ()
    assert require_maker(Path(sys.executable)).environments


def test_an_environment_is_given_by_its_folder_and_lacks_an_engine(tmp_path: Path) -> None:
    venv.create(tmp_path / "env", with_pip=False)
    facts = ask(tmp_path / "env")
    assert facts.talkclip is None and facts.version == sys.version_info[:3]
    with pytest.raises(InputError, match=r'has no TalkCLIP.*-m pip install "talkclip\[lite\]"'):
        require_engine(tmp_path / "env", "0.1.0")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda folder: folder / "nowhere", "is not there"),
        (lambda folder: Path("python3"), "not a whole path"),
        (lambda folder: folder, "folder without a Python"),
        (lambda folder: _file(folder / "notes.txt"), "cannot be started|does not work as a Python"),
    ],
)
def test_wrong_paths_are_explained(make, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=reason):
        ask(make(tmp_path))


def _file(path: Path) -> Path:
    path.write_text("no program")
    return path


@posix
def test_what_is_no_python_is_explained(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not work as a Python"):
        ask(Path("/bin/true"))
    hanging = tmp_path / "hangs"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pythons, "_PATIENCE_S", 0.2)
        with pytest.raises(InputError, match="did not answer"):
            ask(hanging)


@posix
@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"version": [3, 9, 2]}, r"is Python 3\.9\.2; 3\.11 or newer"),
        ({"bits": 32}, "32-bit"),
        ({"environments": False}, r"python3\.11-venv"),
    ],
)
def test_a_python_that_cannot_install_says_why(answers: dict[str, object], reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=reason):
        require_maker(stand_in(tmp_path, **answers))


@posix
@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ({"talkclip": "0.2.0"}, r"has TalkCLIP 0\.2\.0; this extension is 0\.1\.0"),
        ({"talkclip": "0.1.0", "missing": ["onnxruntime", "av"]}, r"lacks onnxruntime, av"),
    ],
)
def test_an_engine_that_does_not_fit_says_why(answers: dict[str, object], reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=reason):
        require_engine(stand_in(tmp_path, **answers), "0.1.0")


@posix
def test_another_python_is_found_where_blenders_own_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = stand_in(tmp_path, version=[3, 9, 2])
    other = tmp_path / "bin"
    other.mkdir()
    stand_in(other)
    monkeypatch.setenv("PATH", str(other))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert find_maker(old).path == other / "python3"
    (other / "python3").unlink()
    with pytest.raises(InputError, match=r"3\.9\.2.*python\.org"):
        find_maker(old)


def test_versions_fit_within_a_release() -> None:
    assert fits("0.1.0", "0.1.7") and fits("0.1.0.dev3", "0.1.0")
    assert not fits("0.2.0", "0.1.0") and not fits("1.1.0", "0.1.0")


def test_what_blender_sets_for_itself_is_not_passed_on() -> None:
    base = {
        "PYTHONPATH": "/b",
        "BLENDER_USER_RESOURCES": "/b",
        "VIRTUAL_ENV": "/v",
        "PATH": "/bin",
        "PIP_INDEX_URL": "x",
    }
    kept = processes.clean_environment(base)
    assert {"PATH", "PIP_INDEX_URL"} <= kept.keys() and kept["PYTHONUTF8"] == "1"
    assert not {"PYTHONPATH", "BLENDER_USER_RESOURCES", "VIRTUAL_ENV"} & kept.keys()
