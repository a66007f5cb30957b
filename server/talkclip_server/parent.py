"""Parent: whether the program that started the server is still there."""

from __future__ import annotations

import os
import sys

from talkclip.errors import InputError

_SYNCHRONIZE = 0x0010_0000
_SIGNALLED = 0


class Parent:
    """A process whose end is noticed, also when it crashed and could not say good-bye."""

    def __init__(self, pid: int) -> None:
        """Look for the process.

        Raises:
            InputError: there is none of that number.
        """
        self._pid = pid
        # A number may be given to another process later; a direct parent is told apart by its end all the same.
        self._direct = os.getppid() == pid
        self._handle = _open_on_windows(pid)
        if self.gone():
            raise InputError(f"--parent {pid}: there is no such process.", "Give the process id of a running program.")

    def gone(self) -> bool:
        """-> True once it has ended."""
        if sys.platform == "win32":
            import ctypes

            return self._handle == 0 or ctypes.windll.kernel32.WaitForSingleObject(self._handle, 0) == _SIGNALLED
        if self._direct:
            return os.getppid() != self._pid  # whoever loses its parent is given another one
        try:
            os.kill(self._pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:  # it is there, and somebody else's
            return False
        return False


def _open_on_windows(pid: int) -> int:
    """A handle that stays valid after the process has ended; 0 where there is none, and on other systems."""
    if sys.platform != "win32":
        return 0
    import ctypes

    return int(ctypes.windll.kernel32.OpenProcess(_SYNCHRONIZE, False, pid))
