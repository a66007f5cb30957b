"""The engine's folder: what is whole is used, what is half is known, what is not ours stays."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from talkclip.errors import InputError
from talkclip_blender.service.engine_place import EnginePlace, Record, default_place
from talkclip_blender.service.pythons import python_of
from tests.blender_service.conftest import ADDON

ENGINE = Record("env-1", "lite", "talkclip-0.1.0-py3-none-any.whl", "0.1.0", "3.11.7")


@pytest.fixture
def place(tmp_path: Path) -> EnginePlace:
    place = EnginePlace(tmp_path / "Ein Ordner äöü" / "engine")
    place.prepare(0, ADDON)
    return place


def install(place: EnginePlace, record: Record = ENGINE) -> Path:
    """What a finished installation leaves."""
    python = python_of(place.folder / record.environment)
    python.parent.mkdir(parents=True)
    python.write_text("python")
    place.begin(record)
    place.finish(record)
    return python


def test_nothing_is_there_at_first(place: EnginePlace) -> None:
    assert place.installed() is None and place.python() is None and place.unfinished() is None and place.broken() == ""
    assert default_place().is_absolute()


def test_an_engine_is_what_a_finished_installation_names(place: EnginePlace) -> None:
    place.begin(ENGINE)
    place.downloads.mkdir()
    assert place.installed() is None and place.unfinished() == ENGINE  # the record comes last
    python = install(place)
    assert place.installed() == ENGINE and place.python() == python and place.broken() == ""
    assert place.unfinished() is None and not place.downloads.exists()


def test_a_new_engine_replaces_the_old_one_only_when_it_is_whole(place: EnginePlace) -> None:
    old = install(place)
    second = place.new_environment()
    assert second.name == "env-2"
    second.mkdir()
    place.begin(Record("env-2", "lite", "new.whl"))
    assert place.python() == old
    place.set_aside()  # it failed: the next attempt begins by this
    assert place.python() == old and old.exists() and not second.exists()
    new = install(place, Record("env-2", "lite", "new.whl", "0.1.1", "3.13.0"))
    assert place.python() == new and old.exists()  # a server may still run there
    place.set_aside()
    assert place.python() == new and new.exists() and not old.exists()
    place.sweep()
    assert {path.name for path in place.folder.glob("env*")} == {"env-2"}


def test_an_engine_whose_python_is_gone_is_broken(place: EnginePlace) -> None:
    python = install(place)
    python.unlink()
    python.symlink_to("/opt/blender-4.5/python/bin/python3.11")
    assert "/opt/blender-4.5/python/bin/python3.11" in place.broken()


@pytest.mark.parametrize("name", ["../../etc", "/etc", "env-1/../..", "env-", "env-x"])
def test_a_record_never_leads_elsewhere(place: EnginePlace, name: str) -> None:
    plain = {"environment": name, "extra": "lite", "source": "", "version": "", "python": ""}
    (place.folder / "engine.json").write_text(json.dumps(plain))
    assert place.installed() is None
    place.uninstall()


@pytest.mark.parametrize("text", ["", "no json", "[]", "{}", '{"environment": "env-1"}'])
def test_a_damaged_record_is_no_engine(place: EnginePlace, text: str) -> None:
    (place.folder / "engine.json").write_text(text)
    assert place.installed() is None


def test_uninstalling_takes_everything_of_ours_and_nothing_else(place: EnginePlace) -> None:
    install(place)
    (place.folder / "env-2").mkdir()
    place.downloads.mkdir()
    place.log.write_text("log")
    stranger = place.folder / "my render.blend"
    stranger.write_text("mine")
    place.uninstall()
    assert [path.name for path in place.folder.iterdir()] == ["my render.blend"]
    stranger.unlink()
    install(place)
    place.uninstall()
    assert not place.folder.exists()
    place.uninstall()  # twice does no harm


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("mine")
    with pytest.raises(InputError, match=r"thesis\.docx.*empty folder"):
        EnginePlace(tmp_path).prepare(0, ADDON)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]


def test_the_extensions_own_folder_is_refused() -> None:
    with pytest.raises(InputError, match="an update deletes"):
        EnginePlace(ADDON / "talkclip_blender" / "engine").prepare(0, ADDON / "talkclip_blender")


def test_too_little_room_is_said_in_numbers(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"GB free; the engine needs 1000000\.0 GB.*another folder"):
        EnginePlace(tmp_path / "engine").prepare(10**15, ADDON)


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "engine").write_text("a file")
    with pytest.raises(InputError, match=r"engine: cannot be used.*Choose another folder"):
        EnginePlace(tmp_path / "engine").prepare(0, ADDON)


def test_two_blenders_do_not_install_at_once(place: EnginePlace) -> None:
    code = f"""
import sys, time
sys.path[:0] = {[str(ADDON), *sys.path]!r}
from pathlib import Path
from talkclip_blender.service.engine_place import EnginePlace
lock = EnginePlace(Path({str(place.folder)!r})).lock()
print("locked", flush=True)
time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "locked\n"
        with pytest.raises(InputError, match="Another Blender"):
            place.lock()
        with pytest.raises(InputError, match="Another Blender"):
            place.uninstall()
        other.kill()
    place.lock().release()  # a Blender that crashed holds nothing
