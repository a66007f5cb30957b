"""Where the server may listen. Without keys anybody who can reach the socket may use it: so only this machine may."""

from __future__ import annotations

import ipaddress
import re

from talkclip.errors import InputError

_TCP = re.compile(r"tcp://(\[[^\]]+\]|[^:\[\]]+):(\d{1,5}|\*)")
_FORM = "Use the form tcp://127.0.0.1:PORT (PORT 0 = any free one)."


def loopback_address(address: str) -> str:
    """-> the address as ZeroMQ wants it.

    Raises:
        InputError: not a TCP address, or one that other machines can reach.
    """
    match = _TCP.fullmatch(address.strip())
    if match is None or (match[2] != "*" and int(match[2]) > 65535):
        raise InputError(f"'{address}' is not an address to listen at.", _FORM)
    host = "127.0.0.1" if match[1] == "localhost" else match[1].strip("[]")
    port = "*" if match[2] == "0" else match[2]
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        # Names resolve to whatever the network says, '*' and interface names to more than this machine.
        ip = None
    if ip is None or not ip.is_loopback:
        raise InputError(
            f"'{address}' can be reached from other machines, and this server has no keys: anybody could use it.",
            "Listen at tcp://127.0.0.1:PORT; serving other machines needs CURVE keys (--keys), which come later.",
        )
    return f"tcp://[{ip}]:{port}" if ip.version == 6 else f"tcp://{ip}:{port}"
