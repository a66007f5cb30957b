"""What is installed: found, chosen, and refused with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from talkclip.errors import InputError
from talkclip_blender.service.engine_source import FULL, LITE, find_wheel, read_source
from tests.support.tiny_packages import write_engine, write_wheel

ROOT = Path(__file__).resolve().parents[2]


def test_a_wheel_in_one_of_the_usual_folders_is_found(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "Downloads"
    wheel = write_engine(second)
    write_engine(first, "0.2.0")  # of another release
    assert find_wheel([first, tmp_path / "not there", second], "0.1.0") == wheel
    assert find_wheel([first], "0.1.0") is None


def test_a_wheel_becomes_a_requirement_with_its_extra(tmp_path: Path) -> None:
    wheel = write_engine(tmp_path / "Mit Leer zeichen")
    source = read_source("", LITE, "0.1.0", wheel)
    assert source.requirement == f"talkclip[lite] @ {wheel.as_uri()}" and "%20" in source.requirement
    assert (source.label, source.version) == (str(wheel), "0.1.0")
    assert read_source(str(wheel), FULL, "0.1.3", None).requirement.startswith("talkclip[server] @ file:")


def test_the_source_folder_and_requirements() -> None:
    assert read_source(str(ROOT), LITE, "0.1.0", None).requirement == f"talkclip[lite] @ {ROOT.as_uri()}"
    assert read_source("talkclip", LITE, "0.1.0", None).requirement == "talkclip[lite]"
    assert read_source("talkclip[lite]==0.1.2", FULL, "0.1.0", None).requirement == "talkclip[server]==0.1.2"


def test_nothing_found_says_which_file_and_where_it_comes_from() -> None:
    with pytest.raises(
        InputError, match=r"talkclip-0\.1\.0-py3-none-any\.whl was not found.*dev\.py extension.*Downloads"
    ):
        read_source(" ", LITE, "0.1.0", None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/nowhere/talkclip-0.1.0-py3-none-any.whl", "is not there"),
        ("numpy", "neither a whole path"),
        ("--index-url=http://evil", "neither a whole path"),
        ("talkclip @ https://somewhere/else.whl", "neither a whole path"),
        (str(ROOT / "docs"), "not TalkCLIP's source folder"),
        (str(ROOT / "README.md"), "is no wheel"),
    ],
)
def test_what_is_no_engine_is_refused(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_source(text, LITE, "0.1.0", None)


def test_other_wheels_are_refused(tmp_path: Path) -> None:
    damaged = tmp_path / "talkclip-0.1.0-py3-none-any.whl"
    damaged.write_bytes(b"half a downl")
    with pytest.raises(InputError, match="damaged"):
        read_source(str(damaged), LITE, "0.1.0", None)
    core = write_wheel(tmp_path, "talkclip_core", "0.1.0")
    with pytest.raises(InputError, match="holds talkclip_core"):
        read_source(str(core), LITE, "0.1.0", None)
    with pytest.raises(InputError, match=r"is TalkCLIP 0\.2\.0; this extension is 0\.1\.0"):
        read_source(str(write_engine(tmp_path, "0.2.0")), LITE, "0.1.0", None)
