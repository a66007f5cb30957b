"""How a command of ours ends: errors are one line on stderr, and a number for scripts."""

from __future__ import annotations

import sys
from collections.abc import Callable

from talkclip.errors import EXIT_INPUT, Cancelled, InputError, TalkClipError

EXIT_FAILURE, EXIT_CANCELLED = 1, 130


def explained(work: Callable[[], object]) -> None:
    """Do the work of a command; what can be explained ends the program with one line instead of a traceback.

    Bad input ends with 2, so does a file that the system does not give; what else can be explained with 1, a
    cancelled command with 130.
    """
    try:
        work()
    except (Cancelled, KeyboardInterrupt):
        print("Cancelled; nothing half-written was left.", file=sys.stderr)
        sys.exit(EXIT_CANCELLED)
    except TalkClipError as error:
        print(f"talkclip: {error}", file=sys.stderr)
        sys.exit(EXIT_INPUT if isinstance(error, InputError) else EXIT_FAILURE)
    except OSError as error:
        if error.filename is None:
            raise  # no file of the user's: a fault of ours
        print(f"talkclip: {error.filename}: {error.strerror}. Check the path.", file=sys.stderr)
        sys.exit(EXIT_INPUT)
