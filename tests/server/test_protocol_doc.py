"""docs/protocol.md shows true bytes and names every operation and error."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import msgpack
import pytest

from talkclip import protocol as p

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"### (\w+)\n```json\n(.*?)\n```\n```hex\n(.*?)\n```", TEXT, re.DOTALL)
EVERYTHING = p.FROM_CLIENT | p.FROM_SERVER


def with_bytes(value: Any) -> Any:
    """JSON's {"$bytes": hex} -> bytes."""
    if isinstance(value, dict):
        return (
            bytes.fromhex(value["$bytes"]) if set(value) == {"$bytes"} else {k: with_bytes(v) for k, v in value.items()}
        )
    return [with_bytes(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("op", "text", "dump"), EXAMPLES, ids=[op for op, *_ in EXAMPLES])
def test_bytes_and_map_are_the_same_message(op: str, text: str, dump: str) -> None:
    frame = bytes.fromhex(dump)
    plain = with_bytes(json.loads(text))
    assert plain["op"] == op and msgpack.unpackb(frame) == plain
    assert p.encode(p.decode(frame, EVERYTHING)) == frame


def test_the_examples_cover_the_main_path() -> None:
    shown = {op for op, *_ in EXAMPLES}
    assert shown >= {"hello", "welcome", "put", "put_chunk", "put_state", "animate", "track", "chunk", "done", "error"}
    assert shown >= {"edit", "render", "video", "video_chunk", "sequence", "picture", "read", "reading"}


def test_every_operation_is_listed() -> None:
    for start, operations in (("From the client", p.FROM_CLIENT), ("From the server", p.FROM_SERVER)):
        (line,) = re.findall(rf"^{start}: (.*)\.$", TEXT, re.MULTILINE)
        assert re.findall(r"`(\w+)`", line) == list(operations)


def codes_in(file: Path) -> set[str]:
    """Error codes that a source file gives to errors and failures it makes."""
    found: set[str] = set()
    for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
            place = {"TalkClipError": 2, "ProtocolError": 2, "Failure": 1}.get(call.func.id)
            given = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
            given += [] if place is None else call.args[place : place + 1]
            found |= {value.value for value in given if isinstance(value, ast.Constant)}
    return found


def test_every_error_code_is_explained() -> None:
    files = [*(ROOT / "talkclip/protocol").glob("*.py"), *(ROOT / "server/talkclip_server").glob("*.py")]
    used = set.union(*map(codes_in, files)) | {"malformed", "bad_input", "cancelled"}  # the classes' own codes
    never_sent = {"store"}  # raised before the server listens
    assert used - never_sent == set(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE))
