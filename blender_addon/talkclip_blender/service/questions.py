# SPDX-License-Identifier: GPL-3.0-or-later
"""What we ask a Python about itself: it runs this file and prints one JSON object. Any Python 3 can read it.

    python questions.py

Nothing of the engine is imported: that would take seconds.
"""

import importlib.util
import json
import re
import struct
import sys


def main():
    """Print the answers."""
    sys.path.pop(0)  # the folder of this file has names that must not be imported
    answers = {
        "version": list(sys.version_info[:3]),
        "bits": struct.calcsize("P") * 8,
        "environments": all(importlib.util.find_spec(name) is not None for name in ("venv", "ensurepip")),
        "talkclip": None,
        "missing": [],
        "torch": importlib.util.find_spec("torch") is not None,
    }
    answers["talkclip"], answers["missing"] = talkclip()
    print(json.dumps(answers))


def talkclip():
    """-> (version of TalkCLIP or None, packages of its extra [lite] that are not there)."""
    try:
        from importlib import metadata

        version = metadata.version("talkclip")
    except ImportError:  # no TalkCLIP; or a Python before 3.8
        return None, []
    missing = []
    for line in metadata.requires("talkclip") or []:
        requirement, _, marker = line.partition(";")
        if marker and re.search("extra *== *['\"]lite['\"]", marker) is None:
            continue
        name = re.match("[A-Za-z0-9._-]+", requirement).group()
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    return version, missing


main()
