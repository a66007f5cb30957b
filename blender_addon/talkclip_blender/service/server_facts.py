# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server says of itself, in words; asking for it without waiting. No bpy here."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from talkclip.client import Client
from talkclip.errors import TalkClipError
from talkclip.protocol import Welcome

from .pythons import fits

_FACES: Final = {"arkit52": "ARKit", "flame": "FLAME"}
_RENDERERS: Final = {"head": "default head", "portrait": "portraits"}


@dataclass(frozen=True)
class ServerFacts:
    """A server that answered.

    Attributes:
        address: where.
        welcome: what it said.
        asked_at: on the monotonic clock, seconds.
    """

    address: str
    welcome: Welcome
    asked_at: float

    def age(self, now: float) -> str:
        """How long ago that was, for people."""
        minutes = int((now - self.asked_at) / 60)
        return "just now" if minutes < 1 else f"{minutes} min ago" if minutes < 60 else f"{minutes // 60} h ago"

    def lines(self) -> list[str]:
        """What it can do, one line each."""
        engine = self.welcome.engine
        rows = [
            ("", self.welcome.server),
            ("Faces", ", ".join(_FACES.get(space, space) for space in engine.spaces)),
            ("Prompts", engine.encoder),
            ("Speech", engine.speech),
            ("Pictures", ", ".join(_RENDERERS.get(name, name) for name in engine.renderers) or "none"),
            ("Computes on", engine.device),
            ("Portraits on", engine.portraits_on if "portrait" in engine.renderers else ""),
        ]
        return [f"{name}: {value}" if name else value for name, value in rows if value]

    def summary(self) -> str:
        """All of it in one sentence."""
        return "; ".join(self.lines()) + "."

    def mismatch(self, ours: str, started_here: bool) -> str:
        """What is wrong with its version and what helps, or "".

        Args:
            ours: version of the extension's TalkCLIP.
            started_here: whether it is the engine's of this computer.
        """
        found = re.search(r"\d+(\.\d+)+", self.welcome.server)
        if found is None or fits(found[0], ours):
            return ""
        what = f"The server is TalkCLIP {found[0]}, this extension {ours}: some things may not work."
        remedy = "Install the engine again" if started_here else "Ask who runs it for an update, or take the extension"
        return f"{what} {remedy} of the same release."


class Question:
    """Asks a server who it is. Call `pump` until it says True.

    Attributes:
        facts: the answer.
        error: why there is none.
    """

    def __init__(self, client: Client, clock: Callable[[], float] = time.monotonic) -> None:
        self.facts: ServerFacts | None = None
        self.error: TalkClipError | None = None
        self._client = client
        self._clock = clock
        try:
            client.start()
        except TalkClipError as error:
            self.error = error

    @property
    def address(self) -> str:
        """Who is asked."""
        return self._client.address

    def pump(self, budget_ms: float = 2.0) -> bool:
        """Move on, without waiting -> whether it is over."""
        if self.facts is None and self.error is None:
            self._client.pump(budget_ms)
            self.error = self._client.error
            if self._client.welcome is not None:
                self.facts = ServerFacts(self._client.address, self._client.welcome, self._clock())
        if self.facts is None and self.error is None:
            return False
        self.stop()
        return True

    def stop(self) -> None:
        """Hang up."""
        self._client.close()
