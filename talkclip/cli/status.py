"""`talkclip status`: what a server is doing."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer

from talkclip.cli import options
from talkclip.protocol import DEFAULT_ADDRESS, StatusReport, Welcome


def status(
    address: options.Address = DEFAULT_ADDRESS,
    key: options.KeyFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Ask a server what it is, what it can do and what it is doing.

    Example:  talkclip status --address tcp://127.0.0.1:5599
    """
    from talkclip.client import Client

    with Client(address, keys=key) as client:
        welcome = client.connect()
        report = client.status()
        answered_ms = 1000 * client.ping()
    if as_json:
        plain = {"welcome": dataclasses.asdict(welcome), "status": dataclasses.asdict(report), "ping_ms": answered_ms}
        print(json.dumps(plain, indent=1))
        return
    for line in _lines(address, welcome, report, answered_ms):
        print(line)


def _lines(address: str, welcome: Welcome, report: StatusReport, answered_ms: float) -> list[str]:
    engine = welcome.engine
    lines = [
        f"{report.server} at {address}, up {_clock(report.uptime_s)}, answers in {answered_ms:.1f} ms",
        f"engine   {engine.motion}; prompts by {engine.encoder}; speech by {engine.speech}; on {engine.device}",
        f"offers   {', '.join(engine.spaces)}; renderers: {', '.join(engine.renderers) or 'none'}"
        + ("; style clips" if engine.style_clips else "")
        + (f"; portraits on {engine.portraits_on}" if "portrait" in engine.renderers else ""),
        f"clients  {report.clients}",
        f"jobs     {report.jobs_running} running, {report.jobs_waiting} waiting, "
        f"{report.jobs_done} done, {report.jobs_failed} failed or cancelled",
        f"store    {report.store_files} files, {report.store_bytes / 2**20:.1f} MB",
    ]
    for worker in report.workers:
        doing = f"does {', '.join(worker.jobs)}" if worker.jobs else "is idle"
        place = f"process {worker.pid}" if worker.pid else "thread"
        restarts = f", restarted {worker.restarts} times" if worker.restarts else ""
        lines.append(f"worker   {place} {doing}; knows {worker.sounds} sounds{restarts}")
    return lines


def _clock(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d} h"
