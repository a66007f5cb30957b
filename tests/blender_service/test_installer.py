"""Installations with real environments and real pip, of packages of a few hundred bytes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from talkclip.errors import InputError
from talkclip_blender.service.engine_place import EnginePlace
from talkclip_blender.service.engine_source import Size, read_source
from talkclip_blender.service.installer import Installation, Order, Stage
from tests.support.package_index import package_index
from tests.support.process_groups import assert_gone
from tests.support.tiny_packages import write_engine, write_wheel

SIZE = Size("lite", 20_000, 1_000_000, 3)


@pytest.fixture(autouse=True)
def nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """pip's configuration here names indexes; these tests bring their own."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)


def order(folder: Path, wheel: Path, wheel_folder: Path | None) -> Order:
    source = read_source(str(wheel), SIZE, "0.1.0", None)
    return Order(EnginePlace(folder / "engine"), Path(sys.executable), source, SIZE, wheel_folder, "0.1.0")


def carry_out(installation: Installation, until: float = 120.0) -> Installation:
    """Pump as Blender's timer does; every call must be short, and progress must never fall."""
    deadline, before, slowest = time.monotonic() + until, 0.0, 0.0
    while True:
        began = time.monotonic()
        ended = installation.pump()
        if installation.stage in (Stage.ENVIRONMENT, Stage.PACKAGES):
            slowest = max(slowest, time.monotonic() - began)
        assert installation.fraction >= before
        before = installation.fraction
        if ended:
            assert slowest < 1.5
            return installation
        assert time.monotonic() < deadline, installation.text
        time.sleep(0.05)


@pytest.mark.slow  # makes environments with pip in them
def test_from_a_folder_of_wheels_without_a_network(tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheel = write_engine(wheels)
    write_wheel(wheels, "tinyneed", "1.0")
    done = carry_out(Installation(order(tmp_path, wheel, wheels)))
    assert done.stage is Stage.DONE and done.error is None and done.fraction == 1.0
    place = EnginePlace(tmp_path / "engine")
    engine = place.installed()
    assert engine is not None and (engine.version, engine.extra) == ("0.1.0", "lite")
    python = place.python()
    assert python is not None
    code = "import talkclip, tinyneed; print(talkclip.__version__)"
    assert subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout == "0.1.0\n"
    assert {path.name for path in place.folder.iterdir()} == {"engine.json", "env-1", "install.log", "lock"}
    assert "Successfully installed" in place.log.read_text()

    # A newer one that cannot be installed leaves the old one as it is.
    failing = write_engine(tmp_path / "other", "0.1.1", ("nowhere_to_be_found",))
    failed = carry_out(Installation(order(tmp_path, failing, wheels)))
    assert failed.stage is Stage.FAILED and failed.error is not None and failed.error.code == "no_package"
    assert "nowhere_to_be_found" in failed.error.message.replace("-", "_") and failed.error.hint
    assert place.installed() == engine and place.unfinished() is not None
    assert subprocess.run([python, "-c", code], capture_output=True, check=True).returncode == 0


@pytest.mark.slow  # makes environments with pip in them
def test_cancelled_halfway_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that runs is gone at once; what was fetched is not fetched again."""
    wheels = tmp_path / "index"
    wheel = write_engine(tmp_path / "Downloads", needs=("tinyneed", "zlast"))
    write_wheel(wheels, "tinyneed", "1.0", size=15_000)
    write_wheel(wheels, "zlast", "1.0", size=5_000)
    with package_index(wheels, stall="zlast") as index:
        monkeypatch.setenv("PIP_INDEX_URL", index.url)
        monkeypatch.setenv("PIP_TRUSTED_HOST", index.url.removeprefix("http://").partition("/")[0])
        installation = Installation(order(tmp_path, wheel, None))
        deadline = time.monotonic() + 120
        while not index.stalled.is_set():
            assert not installation.pump() and time.monotonic() < deadline, installation.error
            time.sleep(0.05)
        group = installation._process.pid  # type: ignore[union-attr]
        installation.cancel()
        assert installation.stage is Stage.CANCELLED and installation.ended and installation.pump()
        assert_gone(group)
        place = EnginePlace(tmp_path / "engine")
        unfinished = place.unfinished()
        assert place.installed() is None and unfinished is not None and unfinished.source == str(wheel)
        assert index.fetched == ["tinyneed-1.0-py3-none-any.whl"]

        index.go_on()
        done = carry_out(Installation(order(tmp_path, wheel, None)))
        assert done.stage is Stage.DONE, done.error
        assert index.fetched.count("tinyneed-1.0-py3-none-any.whl") == 1
        assert place.installed() is not None and place.unfinished() is None


@pytest.mark.slow  # makes environments with pip in them
def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")  # of five: they take longer every time
    failed = carry_out(Installation(order(tmp_path, write_engine(tmp_path / "Downloads"), None)))
    assert failed.error is not None and failed.error.code == "no_network" and "Resume" in failed.error.hint


def test_a_python_that_cannot_make_environments(tmp_path: Path) -> None:
    broken = tmp_path / "python3"
    broken.write_text("#!/bin/sh\necho 'No module named venv' >&2\nexit 1\n")
    broken.chmod(0o755)
    wheel = write_engine(tmp_path / "Downloads")
    source = read_source(str(wheel), SIZE, "0.1.0", None)
    place = EnginePlace(tmp_path / "engine")
    failed = carry_out(Installation(Order(place, broken, source, SIZE, None, "0.1.0")))
    assert failed.error is not None and failed.error.code == "no_venv"
    gone = carry_out(Installation(Order(place, tmp_path / "gone", source, SIZE, None, "0.1.0")))
    assert gone.stage is Stage.FAILED and "gone" in str(gone.error)


def test_what_cannot_begin_says_so_at_once(tmp_path: Path) -> None:
    wheel = write_engine(tmp_path / "Downloads")
    with pytest.raises(InputError, match="is no folder"):
        Installation(order(tmp_path, wheel, tmp_path / "no wheels"))
    (tmp_path / "engine").mkdir(exist_ok=True)
    (tmp_path / "engine" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"mine\.txt"):
        Installation(order(tmp_path, wheel, None))
