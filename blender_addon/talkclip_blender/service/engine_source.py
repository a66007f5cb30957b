# SPDX-License-Identifier: GPL-3.0-or-later
"""What is installed: the engine's wheel, a source folder or a requirement; in which size; and what that costs.

TalkCLIP is not in the public package index. So the wheel is given, or found where downloads lie; only the packages it
needs come from the index. No bpy here.
"""

from __future__ import annotations

import email.parser
import re
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from talkclip.errors import InputError

from .pythons import fits

_WHERE: Final = (
    "It is built beside the extension's zip by `python3 dev.py extension` (dist/talkclip-VERSION-py3-none-any.whl): "
    "choose it under Engine > Wheel, or put it into your Downloads folder."
)
_REQUIREMENT: Final = re.compile(r"talkclip(\[[a-z, ]+\])?\s*((===|==|~=|>=|<=)\s*[0-9][^\s;]*)?")


@dataclass(frozen=True)
class Size:
    """One way to install. Measured with Python 3.11 on 64-bit Linux; other systems differ.

    Attributes:
        extra: TalkCLIP's extra of that name.
        download_bytes: what pip fetches, with TalkCLIP's own wheel of 30 MB.
        disk_bytes: what the environment takes afterwards.
        packages: how many.
    """

    extra: str
    download_bytes: int
    disk_bytes: int
    packages: int

    @property
    def words(self) -> str:
        """What it costs, as the end of a sentence."""
        return f"fetches {_size(self.download_bytes)} and takes {_size(self.disk_bytes)} on disk"


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


LITE: Final = Size("lite", 342_000_000, 920_000_000, 42)
FULL: Final = Size("server", 3_381_000_000, 6_500_000_000, 90)
SIZES: Final = {size.extra: size for size in (LITE, FULL)}


@dataclass(frozen=True)
class Source:
    """What pip is told to install.

    Attributes:
        requirement: pip's argument.
        label: for people.
        version: of TalkCLIP, where that is known beforehand.
    """

    requirement: str
    label: str
    version: str | None = None


def find_wheel(folders: Iterable[Path], version: str) -> Path | None:
    """The engine's wheel of this version in the first of `folders` that has it."""
    for folder in folders:
        wheel = folder / f"talkclip-{version}-py3-none-any.whl"
        if wheel.is_file():
            return wheel
    return None


def download_folders(near: Iterable[Path] = ()) -> list[Path]:
    """Where people keep what they downloaded; `near` comes first."""
    home = Path.home()
    return [*near, home / "Downloads", home / "Desktop", home]


def read_source(text: str, size: Size, ours: str, found: Path | None) -> Source:
    """What to install.

    Args:
        text: what the user chose: a wheel, a source folder, or a requirement such as `talkclip==0.1.0`; "" = `found`.
        size: which extra.
        ours: version of the extension's TalkCLIP.
        found: a wheel that was found, if any.

    Raises:
        InputError: nothing was chosen and none was found, or it is no TalkCLIP of this release.
    """
    text = text.strip()
    if not text:
        if found is None:
            raise InputError(f"The engine's wheel talkclip-{ours}-py3-none-any.whl was not found.", _WHERE)
        return _wheel(found, size, ours)
    if match := _REQUIREMENT.fullmatch(text):
        return Source(f"talkclip[{size.extra}]{match[2] or ''}", f"{text} from the package index")
    path = Path(text).expanduser()
    if not path.is_absolute():
        raise InputError(f"'{text}' is neither a whole path nor a requirement of talkclip.", _WHERE)
    if path.suffix == ".whl":
        return _wheel(path, size, ours)
    if path.is_dir():
        return _folder(path, size)
    raise InputError(f"{path}: is no wheel (.whl) and no source folder.", _WHERE)


def _wheel(path: Path, size: Size, ours: str) -> Source:
    try:
        with zipfile.ZipFile(path) as wheel:
            name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
            metadata = email.parser.BytesParser().parsebytes(wheel.read(name))
    except FileNotFoundError:
        raise InputError(f"{path}: is not there.", _WHERE) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).", _WHERE) from None
    except (zipfile.BadZipFile, StopIteration, KeyError):
        raise InputError(f"{path}: is damaged or no wheel.", f"Fetch it again. {_WHERE}") from None
    version = str(metadata["Version"])
    if metadata["Name"] != "talkclip":
        raise InputError(f"{path.name}: holds {metadata['Name']}, not the engine.", _WHERE)
    if not fits(version, ours):
        raise InputError(
            f"{path.name}: is TalkCLIP {version}; this extension is {ours}.", "Take the two from the same build."
        )
    return Source(f"talkclip[{size.extra}] @ {path.resolve().as_uri()}", str(path), version)


def _folder(path: Path, size: Size) -> Source:
    project = path / "pyproject.toml"
    if not project.is_file() or 'name = "talkclip"' not in project.read_text(encoding="utf-8"):
        raise InputError(f"{path}: is not TalkCLIP's source folder (no pyproject.toml of it).", _WHERE)
    return Source(f"talkclip[{size.extra}] @ {path.resolve().as_uri()}", str(path))
