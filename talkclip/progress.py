"""How long work reports itself and how it is asked to stop."""

from __future__ import annotations

from collections.abc import Callable

from talkclip.errors import Cancelled

# (stage, fraction 0..1 of that stage, message for people)
ProgressCallback = Callable[[str, float, str], None]
# True once the work should stop.
CancelCheck = Callable[[], bool]


def report(progress: ProgressCallback | None, stage: str, fraction: float, message: str = "") -> None:
    """Call `progress` if there is one."""
    if progress is not None:
        progress(stage, fraction, message)


def stop_if(cancel: CancelCheck | None) -> None:
    """Raise `Cancelled` if `cancel` says so."""
    if cancel is not None and cancel():
        raise Cancelled()
