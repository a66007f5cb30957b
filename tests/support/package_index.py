"""A package index on this machine: serves wheels of a folder as pip's simple index, and can be slow about one."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class PackageIndex:
    """What it serves, and what was asked for.

    Attributes:
        url: for `pip --index-url`.
        fetched: names of the wheels that were sent to their end.
        stalled: set as soon as somebody waits for the wheel that does not come.
    """

    def __init__(self, folder: Path, stall: str) -> None:
        self.folder = folder
        self.url = ""
        self.fetched: list[str] = []
        self.stalled = threading.Event()
        self._stall = stall
        self._go_on = threading.Event()

    def go_on(self) -> None:
        """Send the wheel that was held back, from now on."""
        self._go_on.set()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """One GET."""
        *_, kind, name = handler.path.rstrip("/").split("/")
        if kind == "simple":
            wheels = sorted(self.folder.glob(f"{name}-*.whl"))
            links = "".join(f'<a href="/files/{wheel.name}">{wheel.name}</a>' for wheel in wheels)
            self._send(handler, f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html")
            return
        data = (self.folder / name).read_bytes()
        if name.startswith(self._stall) and not self._go_on.is_set():
            self._send(handler, data[:100], "application/octet-stream", len(data))
            self.stalled.set()
            self._go_on.wait(60)
            return
        self._send(handler, data, "application/octet-stream")
        self.fetched.append(name)

    def _send(self, handler: BaseHTTPRequestHandler, data: bytes, kind: str, length: int | None = None) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(length or len(data)))
        if kind != "text/html":  # as the public index says of its files
            handler.send_header("Cache-Control", "max-age=365000000, immutable, public")
        handler.end_headers()
        handler.wfile.write(data)
        handler.wfile.flush()


@contextlib.contextmanager
def package_index(folder: Path, stall: str = "-") -> Iterator[PackageIndex]:
    """Serve the wheels in `folder`; the one whose name begins with `stall` stops after 100 bytes until `go_on`."""
    index = PackageIndex(folder, stall)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(ConnectionError):
                index.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        index.url = f"http://127.0.0.1:{server.server_address[1]}/simple"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield index
        finally:
            index.go_on()
            server.shutdown()
            thread.join()
