"""Without keys the server listens on this machine only."""

from __future__ import annotations

import socket

import pytest

from talkclip.errors import InputError
from talkclip_server import running_server
from talkclip_server.address import bind_address
from tests.support.small_engine import SmallEngine


@pytest.mark.parametrize(
    ("given", "bound"),
    [
        ("tcp://127.0.0.1:5599", "tcp://127.0.0.1:5599"),
        ("tcp://localhost:5599", "tcp://127.0.0.1:5599"),
        ("tcp://127.0.0.1:0", "tcp://127.0.0.1:*"),
        ("tcp://127.0.0.1:*", "tcp://127.0.0.1:*"),
        ("tcp://127.1.2.3:1", "tcp://127.1.2.3:1"),
        ("tcp://[::1]:5599", "tcp://[::1]:5599"),
    ],
)
def test_this_machine(given: str, bound: str) -> None:
    assert bind_address(given, with_keys=False) == bound


@pytest.mark.parametrize(
    "address",
    ["tcp://0.0.0.0:5599", "tcp://*:5599", "tcp://192.168.1.5:5599", "tcp://[::]:1", "tcp://eth0:1", "tcp://example.org:1",
     "tcp://127.0.0.1.example.org:1"],
)  # fmt: skip
def test_other_machines_need_keys(address: str) -> None:
    with pytest.raises(InputError, match="keys") as caught:
        bind_address(address, with_keys=False)
    assert "--keys" in caught.value.hint


@pytest.mark.parametrize("address", ["", "5599", "127.0.0.1:5599", "tcp://127.0.0.1", "tcp://127.0.0.1:99999", "http://127.0.0.1:80",
                                     "ipc:///etc/x", "tcp://127.0.0.1:5599;tcp://*:1"])  # fmt: skip
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(InputError, match=r"tcp://127\.0\.0\.1:PORT"):
        bind_address(address, with_keys=False)


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(InputError, match=f"{port} is in use"),
            running_server(SmallEngine(), f"tcp://127.0.0.1:{port}"),
        ):
            pass
