"""The server's log: lines of `time level event=... key=value ...` on stderr."""

from __future__ import annotations

import logging
import sys

LOGGER = "talkclip.server"


def log_to_stderr(level: int = logging.INFO) -> None:
    """Show the log. Worker processes do so too."""
    logger = logging.getLogger(LOGGER)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False


def shown_level() -> int | None:
    """-> the level at which this process shows the log, or None when it does not."""
    logger = logging.getLogger(LOGGER)
    return logger.level if logger.handlers else None
