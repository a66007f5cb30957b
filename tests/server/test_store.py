"""The store: only whole and right files, within its size, never anybody's path."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from talkclip.errors import TalkClipError
from talkclip_server import AudioStore
from talkclip_server.store import StoredSoFar


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def put(store: AudioStore, data: bytes) -> str:
    store.begin(sha(data), len(data))
    assert store.append(sha(data), 0, data).complete
    return sha(data)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[[int], AudioStore]]:
    """Makes stores of some size in the test's folder; they are closed afterwards."""
    stores: list[AudioStore] = []

    def make(max_bytes: int) -> AudioStore:
        stores.append(AudioStore(tmp_path, max_bytes))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_file_appears_when_it_is_whole(opened: Callable[[int], AudioStore], tmp_path: Path) -> None:
    store, data = opened(1000), b"0123456789"
    store.begin(sha(data), 10)
    store.append(sha(data), 0, data[:5])
    assert not store.hold(sha(data)) and sha(data) not in names(tmp_path)
    store.append(sha(data), 5, data[5:])
    assert store.hold(sha(data)) and store.path(sha(data)).read_bytes() == data


def test_wrong_bytes_leave_nothing(opened: Callable[[int], AudioStore], tmp_path: Path) -> None:
    store = opened(1000)
    store.begin(sha(b"right"), 5)
    with pytest.raises(TalkClipError, match="not the announced ones"):
        store.append(sha(b"right"), 0, b"wrong")
    assert names(tmp_path) == set() and store.n_bytes == 0
    assert put(store, b"right") in names(tmp_path)


def test_the_oldest_unused_file_makes_room(opened: Callable[[int], AudioStore], tmp_path: Path) -> None:
    store = opened(30)
    a, b, c = (put(store, letter * 10) for letter in (b"a", b"b", b"c"))
    assert store.hold(a)  # used just now, and held
    store.begin(b, 10)  # asked for just now
    d = put(store, b"d" * 10)
    assert names(tmp_path) == {a, b, d} and c not in names(tmp_path)


def test_held_files_stay_and_the_newcomer_is_refused(opened: Callable[[int], AudioStore], tmp_path: Path) -> None:
    store = opened(20)
    held = put(store, b"a" * 15)
    store.hold(held), store.hold(held)
    store.release(held)
    with pytest.raises(TalkClipError, match="No room") as caught:
        store.begin(sha(b"b" * 15), 15)
    assert caught.value.code == "store_full" and names(tmp_path) == {held}
    store.release(held)
    put(store, b"b" * 15)
    assert held not in names(tmp_path)


def test_promised_bytes_count(opened: Callable[[int], AudioStore], tmp_path: Path) -> None:
    store = opened(20)
    store.begin(sha(b"a"), 15)
    with pytest.raises(TalkClipError, match="No room"):
        store.begin(sha(b"b"), 15)


def test_promises_that_are_not_kept_give_way(
    opened: Callable[[int], AudioStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(20)
    store.begin(sha(b"a"), 15)
    now_s = time.monotonic()
    monkeypatch.setattr("talkclip_server.store.time.monotonic", lambda: now_s + 100)
    with pytest.raises(TalkClipError, match="No room"):
        store.begin(sha(b"b" * 15), 15)
    monkeypatch.setattr("talkclip_server.store.time.monotonic", lambda: now_s + 200)
    assert put(store, b"b" * 15) in names(tmp_path)


def test_the_next_run_knows_the_files_and_deletes_the_halves(
    opened: Callable[[int], AudioStore], tmp_path: Path
) -> None:
    first = opened(1000)
    whole = put(first, b"whole")
    first.begin(sha(b"half"), 4)
    first.append(sha(b"half"), 0, b"ha")
    (tmp_path / "notes.txt").write_text("somebody's")
    second = opened(1000)
    assert names(tmp_path) == {whole, "notes.txt"}
    assert second.begin(whole, 5) == StoredSoFar(5, True)
    assert second.begin(sha(b"half"), 4) == StoredSoFar(0, False)


def test_uploads_that_never_end_give_way_to_others(opened: Callable[[int], AudioStore], tmp_path: Path) -> None:
    store = opened(10**6)
    for k in range(200):
        store.begin(sha(bytes([k])), 10)
    assert len(names(tmp_path)) <= 64
    store.close()
    assert names(tmp_path) == set()


def test_a_folder_that_cannot_be_used_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TalkClipError, match=r"file: the folder for uploaded sounds cannot be used"):
        AudioStore(tmp_path / "file", 1000)
