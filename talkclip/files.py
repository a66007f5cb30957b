"""Files of the user's: read with one line of explanation, written so that a reader never sees half of one."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from talkclip.errors import InputError


def read_text(path: str | os.PathLike[str], remedy: str) -> str:
    """A text file in UTF-8; a byte-order mark is dropped.

    Raises:
        InputError: missing, a folder, unreadable, or no UTF-8; with `remedy`.
    """
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise unreadable(path, error, remedy) from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not text in UTF-8.", remedy) from None


def unreadable(path: str | os.PathLike[str], error: OSError, remedy: str) -> InputError:
    """What to raise for a file of the user's that the system does not give."""
    return InputError(f"{path}: cannot be read ({error.strerror or error}).", remedy)


def unwritable(path: str | os.PathLike[str], error: OSError) -> InputError:
    """What to raise for a result that the system does not take."""
    text = f"{path}: cannot be written ({error.strerror or error})."
    return InputError(text, "Check the folder's permissions and the disk's space, or choose another folder.")


def check_writable(path: str | os.PathLike[str]) -> Path:
    """Refuse a result that cannot be written, before any work is done for it.

    Raises:
        InputError: the folder does not exist or cannot be written to, or `path` is a folder.
    """
    target = Path(path)
    probe = _sibling(target)
    try:
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise unwritable(target, error) from None
    return target


def checked_output(path: Path, suffixes: tuple[str, ...]) -> Path:
    """Refuse a result path that cannot work, before any work is done.

    Raises:
        InputError: other ending, missing folder, one that cannot be written to, or a folder in its place.
    """
    if path.suffix.lower() not in suffixes and not path.is_dir():
        problem = f"cannot write '{path.suffix}' files" if path.suffix else "has no ending, which chooses the format"
        raise InputError(f"{path}: {problem}.", f"Use a name that ends in {', '.join(suffixes)}.")
    return check_writable(path)


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary sibling of `path` to write to; rename it to `path` on success, remove it on failure.

    The temporary name keeps the suffix, since writers (video muxers, numpy) choose a format by it.

    Raises:
        InputError: the folder does not exist or cannot be written to, the disk is full, or `path` is a folder.
    """
    target = Path(path)
    temporary = _sibling(target)
    try:
        yield temporary
        temporary.replace(target)
    except OSError as error:
        if error.filename is not None and Path(error.filename) != temporary:
            raise  # another file's trouble, which is not ours to explain
        raise unwritable(target, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _sibling(target: Path) -> Path:
    """A new name beside `target`, where a file can stand in its place."""
    try:
        if target.is_dir():
            raise InputError(f"{target}: is a folder.", "Give a file name to write to.")
        if not target.parent.is_dir():
            text = f"{target}: the folder {target.parent} does not exist."
            raise InputError(text, "Create it, or choose another one.")
    except OSError as error:
        raise unwritable(target, error) from None
    return target.with_name(f".{target.stem}.{uuid.uuid4().hex[:8]}{target.suffix}")
