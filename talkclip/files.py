"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from talkclip.errors import InputError


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary sibling of `path` to write to; rename it to `path` on success, remove it on failure.

    The temporary name keeps the suffix, since writers (video muxers, numpy) choose a format by it.

    Raises:
        InputError: the folder does not exist, is not writable, or `path` is a folder.
    """
    target = Path(path)
    if target.is_dir():
        raise InputError(f"{target}: is a folder.", "Give a file name to write to.")
    if not target.parent.is_dir():
        raise InputError(f"{target}: the folder {target.parent} does not exist.", "Create it, or choose another one.")
    temporary = target.with_name(f".{target.stem}.{uuid.uuid4().hex[:8]}{target.suffix}")
    try:
        yield temporary
        temporary.replace(target)
    except PermissionError as error:
        raise InputError(
            f"{target}: cannot be written ({error.strerror}).", "Check the folder's permissions."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
