"""TalkCLIP: type how a line is spoken, and the face speaks it that way.

Importing this package is cheap (numpy only where a submodule needs it); everything that computes
lives in `talkclip.engine` and is imported where it is used.
"""

from __future__ import annotations

__version__ = "0.1.0"
