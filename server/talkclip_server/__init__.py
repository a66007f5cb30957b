"""The TalkCLIP server: ZeroMQ in front, workers behind.

    serve.py             how it is started and stopped
    server.py            the loop: what comes in, what goes out, what ends
    desk.py              what clients ask, and what they are answered
    front.py             the socket
    jobs.py              what clients asked for, and what is still to be sent
    scheduler.py         which job goes to which worker, and when
    store.py             uploaded files, by content hash
    questions.py         what clients ask beside their jobs
    worker.py            carries out orders on an engine, in a thread
    process.py           the same in a process of its own, which may crash
    engine.py            what an engine is
    pipeline_engine.py   a pipeline as an engine
    videos.py            its `render`
    readings.py          its `read`
    security.py          keys, and who may come in
    address.py           where it may listen
    log.py               what it writes
    parent.py            whether the program that started it is still there

The protocol is in `talkclip.protocol` and `docs/protocol.md`.
"""

from __future__ import annotations

from talkclip_server.engine import Engine, VideoEngine
from talkclip_server.log import log_to_stderr
from talkclip_server.pipeline_engine import PipelineEngine
from talkclip_server.security import Keyring
from talkclip_server.serve import READY, running_server, serve
from talkclip_server.server import Server
from talkclip_server.store import AudioStore

__all__ = [
    "READY",
    "AudioStore",
    "Engine",
    "Keyring",
    "PipelineEngine",
    "Server",
    "VideoEngine",
    "log_to_stderr",
    "running_server",
    "serve",
]
