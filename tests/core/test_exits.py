"""How commands end: one line and a number, whatever the user did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from talkclip.errors import Cancelled, InputError, TalkClipError
from talkclip.exits import explained


def _raise(error: BaseException) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (InputError("a.wav: is silent.", "Unmute it."), 2, "talkclip: a.wav: is silent. Unmute it."),
        (TalkClipError("Nobody answers.", "Start it."), 1, "talkclip: Nobody answers. Start it."),
        (Cancelled(), 130, "Cancelled; nothing half-written was left."),
        (KeyboardInterrupt(), 130, "Cancelled; nothing half-written was left."),
    ],
)
def test_what_can_be_explained_is_one_line(
    error: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        explained(_raise(error))
    assert ended.value.code == code and capsys.readouterr().err == words + "\n"


def test_a_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        explained(lambda: (tmp_path / "gone.npz").read_bytes())
    said = capsys.readouterr().err
    assert ended.value.code == 2 and said.count("\n") == 1 and "gone.npz: No such file" in said


@pytest.mark.parametrize("fault", [ValueError("ours"), OSError("no file of anybody's")])
def test_faults_of_ours_are_not_hidden(fault: Exception) -> None:
    with pytest.raises(type(fault)):
        explained(_raise(fault))
