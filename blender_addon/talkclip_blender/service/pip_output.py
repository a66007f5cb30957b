# SPDX-License-Identifier: GPL-3.0-or-later
"""What pip says, understood: how far it is, and why it failed. No bpy here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from talkclip.errors import TalkClipError

# Of the whole, the part that fetching takes; the rest is unpacking. Measured: about two thirds on a fast line.
_FETCHING: Final = 0.7
_UNITS: Final = {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}
_FETCHED: Final = re.compile(r"\s*(?:Downloading|Using cached) (\S+) \(([\d.]+) (bytes|kB|MB|GB)\)")
_LOCAL_FILE: Final = re.compile(r"Processing (.+?\.(?:whl|tar\.gz|zip))(?: \(from .*)?")
_RAW_PROGRESS: Final = re.compile(r"Progress (\d+) of (\d+)")
_COLLECTING: Final = re.compile(r"Collecting ([A-Za-z0-9._-]+)")
_INSTALLING: Final = re.compile(r"Installing collected packages: (.+)")


class PipProgress:
    """Follows `pip install` by its lines.

    Attributes:
        fraction: 0..1, never falls.
        text: what is going on, for people.
        packages: how many are going to be installed; 0 while that is not known.
    """

    def __init__(self, expected_bytes: int) -> None:
        self.fraction = 0.0
        self.text = "Looking up packages"
        self.packages = 0
        self._expected = expected_bytes
        self._fetched = 0.0
        self._under_way = 0.0

    def feed(self, line: str) -> None:
        """One more line."""
        if match := _RAW_PROGRESS.fullmatch(line):
            done, whole = int(match[1]), int(match[2])
            self._advance(self._fetched - self._under_way + min(done, whole))
        elif match := _FETCHED.match(line):
            if not match[1].endswith(".metadata"):
                self._fetch(match[1], float(match[2]) * _UNITS[match[3]], "Using" not in line)
        elif match := _LOCAL_FILE.fullmatch(line):
            path = Path(match[1])
            self._fetch(path.name, path.stat().st_size if path.is_file() else 0, False)
        elif match := _COLLECTING.match(line):
            self.text = f"Looking up {match[1]}"
        elif match := _INSTALLING.fullmatch(line):
            self.packages = match[1].count(",") + 1
            self.fraction, self.text = _FETCHING, f"Unpacking {self.packages} packages"

    def unpacked(self, count: int) -> None:
        """So many packages are in place."""
        if self.packages:
            share = min(count / self.packages, 1.0)
            self.fraction = max(self.fraction, _FETCHING + (1 - _FETCHING) * share)

    def _fetch(self, file: str, size: float, loading: bool) -> None:
        # pip names a file when it begins with it.
        name = file.rpartition("/")[2].partition("-")[0]
        self._fetched += size
        self._under_way = size if loading else 0.0
        verb = "Fetching" if loading else "Taking"
        self.text = f"{verb} {name} ({size / 1e6:.0f} MB)" if size >= 1e6 else f"{verb} {name}"
        self._advance(self._fetched - self._under_way)

    def _advance(self, fetched: float) -> None:
        self.fraction = max(self.fraction, _FETCHING * min(fetched / self._expected, 1.0))


@dataclass(frozen=True)
class _Cause:
    """What a failure looks like, what it means and what helps. `{0}` is what the pattern's group caught."""

    pattern: str
    problem: str
    remedy: str
    code: str


# The first that is found anywhere in the output counts: causes before what follows from them.
_CAUSES: Final = (
    _Cause(
        r"No space left on device|\[Errno 28\]|WinError 112|not enough space on the disk|Disk quota exceeded",
        "The disk is full.",
        "Make room, or choose a folder on another disk, then Resume.",
        "disk_full",
    ),
    _Cause(
        r"CERTIFICATE_VERIFY_FAILED|SSLError|SSL: ",
        "The package index could not be trusted (its certificate was refused).",
        "In an office network ask who runs it for its certificate, and name it in pip's configuration (cert = FILE). "
        "Check this computer's date.",
        "certificate",
    ),
    _Cause(
        r"ProxyError|Proxy Authentication Required|Tunnel connection failed",
        "The proxy refused the connection.",
        "Check the proxy in the system's settings or in pip's configuration (proxy = URL), then Resume.",
        "proxy",
    ),
    _Cause(
        r"Temporary failure in name resolution|getaddrinfo failed|Name or service not known|nodename nor servname|"
        r"NewConnectionError|Network is unreachable|Connection refused|ConnectTimeoutError|ReadTimeoutError|"
        r"Read timed out|Connection broken|Connection reset|RemoteDisconnected|ConnectionError",
        "The package index cannot be reached.",
        "Check the network, then Resume: what was fetched is kept. Without a network give a folder of wheels.",
        "no_network",
    ),
    _Cause(
        r"Package '?\S+?'? requires a different Python: (\S+)|requires a different Python version",
        "This Python ({0}) does not suit the engine.",
        "Choose Python 3.11, 3.12 or 3.13 under Engine > Python.",
        "wrong_python",
    ),
    _Cause(
        r"Microsoft Visual C\+\+|Failed building wheel for (\S+)|Failed to build '?(\S+?)'?(?:\s|$)|"
        r"error: command '(\S*(?:gcc|cc|clang|cl\.exe)\S*)' failed|metadata-generation-failed",
        "A package has no ready-made file for this Python or computer, and could not be compiled ({0}).",
        "Choose Python 3.11, 3.12 or 3.13 (64 bit) under Engine > Python.",
        "no_wheel",
    ),
    _Cause(
        r"No matching distribution found for ([^\s;]+)",
        "No file of '{0}' fits this Python and computer, or the index or folder does not have it.",
        "Check the network and the folder of wheels; else choose Python 3.11, 3.12 or 3.13 under Engine > Python.",
        "no_package",
    ),
    _Cause(
        r"THESE PACKAGES DO NOT MATCH THE HASHES|BadZipFile|is not a valid wheel|has an invalid wheel|IncompleteRead",
        "A file arrived damaged.",
        "Resume fetches it again.",
        "damaged",
    ),
    _Cause(
        r"Windows Long Path support",
        "A path became too long for Windows.",
        "Choose a shorter folder, as C:\\TalkCLIP, under Engine > Folder.",
        "long_path",
    ),
    _Cause(
        r"Permission denied|PermissionError|Access is denied|WinError (?:5|32)\b|being used by another process|"
        r"Operation not permitted",
        "A file could not be written: something holds it, or it is not yours.",
        "Often a virus scanner: wait a minute and Resume, or exclude the folder there. Stop running servers.",
        "permission",
    ),
    _Cause(
        r"MemoryError|Cannot allocate memory|out of memory",
        "The computer ran out of memory.",
        "Close other programs, then Resume.",
        "memory",
    ),
    _Cause(
        r"No module named '?(?:ensurepip|venv|pip)|ensurepip is not available",
        "This Python cannot make environments.",
        "On Debian and Ubuntu install python3-venv; or choose another Python under Engine > Python.",
        "no_venv",
    ),
)


def explain(lines: Sequence[str], exit_code: int) -> TalkClipError:
    """Why an installation failed.

    Args:
        lines: what was said, the latest last.
        exit_code: of pip or venv; negative = the signal that ended it.
    """
    # Warnings of a line that came back later must not hide the error. But "no package" is also what pip says in the end
    # of an index that it did not reach, and only the warnings tell.
    errors = [line for line in lines if line.startswith("ERROR")]
    certain = [cause for cause in _CAUSES if cause.code != "no_package"]
    for said, causes in ((errors, certain), (lines, _CAUSES)):
        for cause in causes:
            if match := re.search(cause.pattern, "\n".join(said)):
                caught = next((group for group in match.groups() if group), "see the log")
                return TalkClipError(cause.problem.format(caught), cause.remedy, cause.code)
    if exit_code < 0:
        return TalkClipError(
            f"The installation was ended from outside (signal {-exit_code}).", "Resume goes on with it.", "killed"
        )
    last = next((line for line in reversed(lines) if "error" in line.lower()), lines[-1] if lines else "nothing")
    return TalkClipError(
        f"The installation failed: {last.strip()}", "The log has all of it. Resume tries again.", "pip"
    )
