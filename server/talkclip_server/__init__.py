"""The TalkCLIP server: ZeroMQ in front, workers behind.

    serve.py     how it is started and stopped
    server.py    the loop: clients, jobs, limits
    front.py     the socket
    jobs.py      what is waiting, running, and still to be sent
    store.py     uploaded sounds, by content hash
    worker.py    runs orders on an engine, in a thread
    process.py   the same in a process of its own, which may crash
    engine.py    what an engine is; the adapter for the pipeline
    address.py   where it may listen
    log.py       what it writes

The protocol is in `talkclip.protocol` and `docs/protocol.md`.
"""

from __future__ import annotations

from talkclip_server.engine import Engine, PipelineEngine
from talkclip_server.log import log_to_stderr
from talkclip_server.serve import READY, running_server, serve
from talkclip_server.server import Server
from talkclip_server.store import AudioStore

__all__ = ["READY", "AudioStore", "Engine", "PipelineEngine", "Server", "log_to_stderr", "running_server", "serve"]
