# SPDX-License-Identifier: GPL-3.0-or-later
"""What was asked for, as text that can be compared: whether only prompts have changed since a take was made."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from talkclip.client import SegmentStyle, SpeakRequest
from talkclip.protocol import Welcome


def description(request: SpeakRequest) -> str:
    """All of a request but its prompts and style clips, as JSON. Equal for equal requests; files count by place, size
    and date."""
    fields = {field.name: getattr(request, field.name) for field in dataclasses.fields(request)}
    del fields["timeline"], fields["styles"]
    return json.dumps({name: _said(value) for name, value in fields.items()}, sort_keys=True)


def styles_said(styles: Iterable[SegmentStyle]) -> str:
    """The style clips of segments, as JSON: uid -> [clip, weight]."""
    return json.dumps({style.uid: [_said(style.clip), style.weight] for style in styles}, sort_keys=True)


def restyled(before: str, now: str) -> tuple[str, ...]:
    """uids of the segments whose style clip is another one, or new, or gone; see `styles_said`."""
    old, new = json.loads(before or "{}"), json.loads(now)
    return tuple(uid for uid in {**old, **new} if old.get(uid) != new.get(uid))


def engine_of(welcome: Welcome) -> str:
    """What computes on the server: another model gives other frames for the same request."""
    return _digest(repr(welcome.engine).encode())


def _said(value: Any) -> Any:
    if isinstance(value, Path):
        state = value.stat() if value.exists() else None
        return [str(value), *((state.st_size, state.st_mtime_ns) if state else ())]
    if isinstance(value, np.ndarray):
        return _digest(value.tobytes())
    if dataclasses.is_dataclass(value):
        return {field.name: _said(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        said = [_said(item) for item in value]
        return said if len(said) < _LONG else _digest(json.dumps(said).encode())
    return value


_LONG = 20


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
