"""Whether programs that were started with a group of their own have ended."""

from __future__ import annotations

import os
import time

_PATIENCE_S = 5.0


def assert_gone(group: int) -> None:
    """Nothing of a process group is left; what was killed may take a moment until the system has forgotten it."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        assert time.monotonic() < deadline, f"something of group {group} still runs"
        time.sleep(0.02)
