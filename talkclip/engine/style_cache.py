"""Style codes that are kept: a timeline of forty segments with one changed word costs one sentence, not forty-one."""

from __future__ import annotations

import collections
import functools
import hashlib
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from talkclip.engine.speech.cache import DiskCache, disk_cache
from talkclip.engine.text.understand import PromptReading
from talkclip.engine.weights.registry import WEIGHTS
from talkclip.timeline import PromptEdit

_T = TypeVar("_T")
_KEPT = 4096
# A file per code: few enough that making room stays quick.
_DISK_BYTES = 1 << 20


class Styler(Protocol):
    """The part of `talkclip.engine.text.style_coder.StyleCoder` that a pipeline uses.

    Attributes:
        identity: what codes depend on beside the shipped weights and this package's code.
    """

    identity: str

    def read(self, prompt: str) -> PromptReading:
        """What a prompt is understood to say."""
        ...

    def code(self, prompt: str, edits: Sequence[PromptEdit] = (), intensity: float = 1.0) -> np.ndarray:
        """Style code of a prompt with its edits."""
        ...

    def codes(self, prompt: str, edits: Sequence[PromptEdit], intensities: Sequence[float]) -> np.ndarray:
        """(N, dim) codes at many intensities."""
        ...


class StyleCache:
    """Remembers a styler's codes and readings: in memory, and the codes on disk as well. Safe to share.

    Args:
        styler: what computes them; everything else that is asked of this object it answers too.
        disk: where codes are kept between runs; None keeps none.
    """

    def __init__(self, styler: Styler, disk: DiskCache | None) -> None:
        self._styler = styler
        self._disk = disk
        self._codes: collections.OrderedDict[str, np.ndarray] = collections.OrderedDict()
        self._readings: collections.OrderedDict[str, PromptReading] = collections.OrderedDict()
        self._unwritten: list[str] = []
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> object:
        return getattr(self._styler, name)

    def read(self, prompt: str) -> PromptReading:
        """See `Styler.read`."""
        with self._lock:
            known = self._readings.get(prompt)
        return known if known is not None else self._keep(self._readings, prompt, self._styler.read(prompt))

    def code(self, prompt: str, edits: Sequence[PromptEdit] = (), intensity: float = 1.0) -> np.ndarray:
        """See `Styler.code`. Not to be written to."""
        key = _key(self._styler.identity, prompt, edits, intensity)
        known = self._known(key)
        if known is not None:
            return known
        entry = None if self._disk is None else self._disk.get(key)
        if entry is not None and set(entry) == {"code"}:
            return self._keep(self._codes, key, entry["code"])
        code = self._keep(self._codes, key, self._styler.code(prompt, edits, intensity))
        self._unwritten.append(key)
        return code

    def codes(self, prompt: str, edits: Sequence[PromptEdit], intensities: Sequence[float]) -> np.ndarray:
        """See `Styler.codes`. In memory only: once the prompt is read, they cost less than a file each."""
        keys = [_key(self._styler.identity, prompt, edits, intensity) for intensity in intensities]
        found = [self._known(key) for key in keys]
        missing = [k for k, code in enumerate(found) if code is None]
        if missing:
            computed = self._styler.codes(prompt, edits, [intensities[k] for k in missing])
            for k, code in zip(missing, computed, strict=True):
                found[k] = self._keep(self._codes, keys[k], code)
        return np.stack([code for code in found if code is not None])

    def write(self) -> None:
        """Put new codes on disk; apart, so that nobody waits for it."""
        keys, self._unwritten = self._unwritten, []
        for key in keys:
            if self._disk is not None and key in self._codes:
                self._disk.put(key, {"code": self._codes[key]})

    def _known(self, key: str) -> np.ndarray | None:
        with self._lock:
            known = self._codes.get(key)
            if known is not None:
                self._codes.move_to_end(key)
            return known

    def _keep(self, kept: collections.OrderedDict[str, _T], key: str, value: _T) -> _T:
        with self._lock:
            kept[key] = value
            while len(kept) > _KEPT:
                kept.popitem(last=False)
        return value


def default_style_disk() -> DiskCache | None:
    """Beside the speech cache."""
    return disk_cache("style", _DISK_BYTES)


def _key(identity: str, prompt: str, edits: Sequence[PromptEdit], intensity: float) -> str:
    stated = [_version(), identity, prompt, [[edit.text, edit.weight] for edit in edits], intensity]
    return hashlib.sha256(json.dumps(stated).encode()).hexdigest()


@functools.cache
def _version() -> str:
    """Changes with any line of code between a prompt and its code, and with any weight."""
    digest = hashlib.sha256()
    for folder in ("text", "models"):
        for path in sorted((Path(__file__).parent / folder).rglob("*")):
            if path.suffix in (".py", ".json"):
                digest.update(path.read_bytes())
    for weight in WEIGHTS.values():
        digest.update(weight.sha256.encode())
    return digest.hexdigest()
