"""Where the server may listen. Without keys anybody who can reach the socket may use it: so only this machine may."""

from __future__ import annotations

import ipaddress
import re

from talkclip.errors import InputError

_TCP = re.compile(r"tcp://(\[[^\]]+\]|[^:\[\]]+):(\d{1,5}|\*)")
_FORM = "Use the form tcp://127.0.0.1:PORT (PORT 0 = any free one)."


def bind_address(address: str, with_keys: bool) -> str:
    """-> the address as ZeroMQ wants it.

    Args:
        address: tcp://HOST:PORT, HOST an IP address, `localhost` or `*`; PORT 0 or * = any free one.
        with_keys: whether only clients with a key come in, so that other machines may reach it.

    Raises:
        InputError: not such an address, or one that other machines can reach without keys.
    """
    match = _TCP.fullmatch(address.strip())
    if match is None or (match[2] != "*" and int(match[2]) > 65535):
        raise InputError(f"'{address}' is not an address to listen at.", _FORM)
    host = "127.0.0.1" if match[1] == "localhost" else match[1].strip("[]")
    port = "*" if match[2] == "0" else match[2]
    if host == "*" and with_keys:
        return f"tcp://*:{port}"
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        # Names resolve to whatever the network says, '*' and interface names to more than this machine.
        ip = None
    if ip is None and with_keys:
        raise InputError(f"'{address}' names no address of this machine.", "Use an IP address, or * for all.")
    if not with_keys and (ip is None or not ip.is_loopback):
        raise InputError(
            f"'{address}' can be reached from other machines, and this server has no keys: anybody could use it.",
            "Listen at tcp://127.0.0.1:PORT, or give it keys: talkclip keys new NAME --keys DIR, then --keys DIR.",
        )
    assert ip is not None
    return f"tcp://[{ip}]:{port}" if ip.version == 6 else f"tcp://{ip}:{port}"
