"""Wheels of a few hundred bytes: a TalkCLIP without an engine, and packages for it to need."""

from __future__ import annotations

import zipfile
from pathlib import Path

TAG = "py3-none-any"


def write_wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    requires: tuple[str, ...] = (),
    extras: tuple[str, ...] = (),
    size: int = 0,
) -> Path:
    """A wheel with one module of `size` more bytes than it needs.

    Args:
        folder: where it goes.
        name: of the package; its module has the same.
        version: its version.
        requires: lines of Requires-Dist.
        extras: names for Provides-Extra.
        size: bytes of filling, which do not compress.
    """
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    metadata += [f"Provides-Extra: {extra}" for extra in extras]
    metadata += [f"Requires-Dist: {line}" for line in requires]
    files = {
        f"{name}/__init__.py": f'__version__ = "{version}"\n',
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {TAG}\n",
    }
    if size:
        files[f"{name}/filling.bin"] = "x" * size
    files[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    wheel = folder / f"{name}-{version}-{TAG}.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


def write_engine(folder: Path, version: str = "0.1.0", needs: tuple[str, ...] = ("tinyneed",)) -> Path:
    """A wheel named talkclip whose extra [lite] needs the packages `needs`."""
    requires = tuple(f'{name}; extra == "lite"' for name in needs)
    return write_wheel(folder, "talkclip", version, requires=requires, extras=("lite",))
