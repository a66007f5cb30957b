"""Files of the user's: what cannot be read or written is one line, and nothing is left half-written."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from talkclip.errors import InputError
from talkclip.files import atomic_write, check_writable, read_text


def test_text_is_read_without_its_mark(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeffélan".encode())
    assert read_text(tmp_path / "a.txt", "Give text.") == "élan"


@pytest.mark.parametrize("name", ["gone.txt", "folder", "latin.txt"])
def test_what_cannot_be_read_is_named_once_with_its_remedy(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "latin.txt").write_bytes("élan".encode("latin-1"))
    with pytest.raises(InputError) as caught:
        read_text(tmp_path / name, "Give text.")
    assert str(caught.value).count(name) == 1 and caught.value.hint == "Give text."
    assert "Errno" not in str(caught.value)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_whatever_keeps_a_file_from_being_written_is_explained(tmp_path: Path, number: int) -> None:
    target = tmp_path / "line.csv"
    target.write_text("the old one")
    with pytest.raises(InputError, match=r"line\.csv: cannot be written \("), atomic_write(target) as temporary:
        temporary.write_text("half of the new")
        raise OSError(number, "refused", str(temporary))
    assert target.read_text() == "the old one" and list(tmp_path.iterdir()) == [target]


def test_trouble_with_another_file_keeps_its_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="other"), atomic_write(tmp_path / "line.csv"):
        (tmp_path / "other").read_bytes()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["gone/line.csv", ".", "x" * 400 + ".csv"])
def test_a_place_that_takes_nothing_is_refused_before_the_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        check_writable(tmp_path / name)
    with pytest.raises(InputError), atomic_write(tmp_path / name) as temporary:
        temporary.write_text("")
    assert list(tmp_path.iterdir()) == []


def test_asking_leaves_nothing_and_harms_nothing(tmp_path: Path) -> None:
    target = tmp_path / "line.csv"
    assert check_writable(target) == target and list(tmp_path.iterdir()) == []
    target.write_text("kept")
    check_writable(target)
    assert target.read_text() == "kept" and list(tmp_path.iterdir()) == [target]
