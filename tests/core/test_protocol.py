"""The codec: what goes out comes back, and nothing that comes in can do more than be refused."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from talkclip import protocol as p
from talkclip.coefficients import LayerValues
from talkclip.gains import LayerGains
from talkclip.phones import PHONES41, Phone, PhoneTrack, Word
from talkclip.script import ScriptPart
from talkclip.timeline import PromptEdit, PromptSegment, PromptTimeline

EVERYTHING = p.FROM_CLIENT | p.FROM_SERVER
SHA = "ab" * 32

ids = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64)
shas = st.text("0123456789abcdef", min_size=64, max_size=64)
texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
sizes = st.integers(0, 2**40)
seconds = st.floats(0, 1e5, allow_nan=False)


def arrays(columns: int) -> st.SearchStrategy[np.ndarray]:
    floats = st.floats(-10, 10, width=32)
    return hnp.arrays(np.float32, st.tuples(st.integers(0, 7), st.just(columns)), elements=floats)


layers = arrays(7).map(lambda rows: LayerValues(rows, rows + 1, -rows, 2 * rows))
edits = st.builds(PromptEdit, texts, st.floats(-2, 2))
segments = st.builds(
    lambda prompt, start_s, length_s, intensity, found, uid, keys: PromptSegment(
        prompt,
        start_s,
        start_s + length_s,
        intensity,
        tuple(found),
        uid=uid,
        intensity_keys=tuple(sorted(keys.items())),
    ),
    texts,
    seconds,
    st.floats(0.01, 100),
    st.floats(0, 2),
    st.lists(edits, max_size=3),
    st.uuids().map(str),
    st.dictionaries(seconds, st.floats(0, 2), max_size=3),
)
timelines = st.lists(segments, max_size=4, unique_by=lambda s: s.uid).map(lambda s: PromptTimeline(tuple(s)))
phone_tracks = st.lists(st.sampled_from(PHONES41), max_size=9).map(
    lambda symbols: PhoneTrack(
        tuple(Phone(symbol, k * 0.1, k * 0.1 + 0.1) for k, symbol in enumerate(symbols)),
        (Word("word", 0.0, 0.2),),
        1.0,
        "file",
    )
)
parts = st.lists(st.builds(ScriptPart, texts, texts), max_size=3).map(tuple)
gains = st.builds(LayerGains, *[st.floats(0, 2)] * 4)
audio = st.builds(p.AudioSource, shas, texts, seconds, st.none() | seconds)
infos = st.builds(p.EngineInfo, texts, texts, st.just((p.WeightInfo("w", SHA),)), st.just(("arkit52", "flame")),
                  texts, texts, st.just(("head",)), st.just(("png",)), st.booleans())  # fmt: skip
styles = st.lists(st.builds(p.StyleSource, texts, shas, texts, st.floats(0, 1)), max_size=3).map(tuple)

spans = st.builds(p.FrameSpan, st.integers(0, 10**7), st.integers(0, 10**7))
shares = st.floats(0, 1)
numbers = st.lists(st.integers(1, 70), max_size=3).map(tuple)
names = st.lists(texts, max_size=3).map(tuple)
emotions = st.lists(st.builds(p.EmotionWeight, texts, shares), max_size=3).map(tuple)
moves = st.lists(st.builds(p.UnderstoodMove, st.integers(1, 70), texts, shares, texts), max_size=2).map(tuple)
prompts_understood = st.builds(
    p.UnderstoodPrompt, st.lists(st.builds(p.UnderstoodClause, texts, texts, names, names), max_size=2).map(tuple),
    emotions, shares, moves, moves, numbers, names, numbers,
    st.lists(st.builds(p.UnderstoodPart, texts, emotions, shares), max_size=2).map(tuple), names, texts,
)  # fmt: skip
workers = st.builds(p.WorkerReport, sizes, st.lists(texts, max_size=3).map(tuple), sizes, sizes)

MESSAGES: dict[type[p.Message], st.SearchStrategy[Any]] = {
    p.Hello: st.builds(p.Hello, ids, st.lists(st.integers(0, 99), max_size=5).map(tuple), texts),
    p.Put: st.builds(p.Put, ids, shas, st.integers(1, 2**40)),
    p.PutChunk: st.builds(p.PutChunk, ids, shas, sizes, st.binary(max_size=200)),
    p.Animate: st.builds(
        p.Animate, ids, audio, timelines, st.floats(1, 240), st.just("flame"), st.integers(0, 2**32 - 1), gains,
        st.none() | texts, st.none() | phone_tracks, parts, st.integers(1, p.MAX_CREDIT), st.booleans(), styles,
    ),
    p.Edit: st.builds(
        lambda *fields, **changes: p.Edit(*fields, **changes),
        ids, audio, timelines, st.floats(1, 240), st.just("arkit52"), st.integers(0, 2**32 - 1), gains,
        before=timelines, restyled=st.lists(texts, max_size=3).map(tuple),
    ),
    p.Render: st.builds(
        lambda *fields, **drawn: p.Render(*fields, **drawn), ids, audio, timelines, st.floats(1, 240),
        renderer=texts, size=st.integers(64, 2048), portrait=st.none() | shas, caption=texts, file_format=texts,
        alpha=st.booleans(), full=st.booleans(), face=st.none() | st.integers(1, 1000),
        frames=st.lists(spans, max_size=3).map(tuple),
    ),
    p.Credit: st.builds(p.Credit, ids, st.integers(1, p.MAX_CREDIT)),
    p.Cancel: st.builds(p.Cancel, ids),
    p.Read: st.builds(p.Read, ids, texts),
    p.Reading: st.builds(p.Reading, ids, prompts_understood),
    p.Ping: st.builds(p.Ping, ids),
    p.Status: st.builds(p.Status, ids),
    p.Bye: st.builds(p.Bye, ids),
    p.Welcome: st.builds(p.Welcome, ids, st.integers(0, 99), texts, infos, st.builds(p.ServerLimits)),
    p.PutState: st.builds(p.PutState, ids, shas, sizes, st.booleans()),
    p.Accepted: st.builds(p.Accepted, ids, st.integers(0, 99)),
    p.Progress: st.builds(p.Progress, ids, texts, st.floats(0, 1), texts),
    p.TrackHeader: st.builds(
        p.TrackHeader, ids, st.just("arkit52"), st.just(("a", "b")), st.floats(1, 240), seconds, st.integers(1, 10**7),
        st.booleans(), st.none() | spans,
    ),
    p.Chunk: st.builds(p.Chunk, ids, st.integers(0, 10**7), arrays(52), st.none() | arrays(6), st.none() | layers),
    p.VideoHeader: st.builds(
        p.VideoHeader, ids, sizes, sizes, st.floats(1, 240), st.integers(1, 10**7), st.integers(1, 2**40)
    ),
    p.VideoChunk: st.builds(p.VideoChunk, ids, sizes, st.binary(max_size=200)),
    p.SequenceHeader: st.builds(
        p.SequenceHeader, ids, sizes, sizes, st.floats(1, 240), st.integers(1, 10**7), st.booleans()
    ),
    p.PictureChunk: st.builds(
        p.PictureChunk, ids, st.integers(0, 10**7), sizes, st.integers(1, 2**40), st.binary(max_size=200)
    ),
    p.Done: st.builds(
        p.Done, ids, sizes, seconds, texts, st.lists(texts, max_size=3).map(tuple), st.none() | phone_tracks,
        st.none() | timelines,
    ),
    p.Failure: st.builds(p.Failure, ids, texts, texts, texts, st.none() | texts),
    p.Pong: st.builds(p.Pong, ids),
    p.StatusReport: st.builds(
        p.StatusReport, ids, texts, seconds, *[sizes] * 7, st.lists(workers, max_size=3).map(tuple)
    ),
}  # fmt: skip


def same(a: Any, b: Any) -> bool:
    """Equality that looks into arrays."""
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and np.array_equal(a, b)
    if dataclasses.is_dataclass(a):
        return type(a) is type(b) and all(
            same(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a) if f.init
        )
    return type(a) is type(b) and bool(a == b)


def animate_map(**changes: Any) -> dict[str, Any]:
    """A small valid `animate`, as MessagePack sees it, with some fields changed."""
    order = p.Animate("job-1", p.AudioSource(SHA), PromptTimeline.single("a happy woman", 2.0), 25.0)
    return msgpack.unpackb(p.encode(order)) | changes


def refused(plain: Any, operations: dict[str, type[p.Message]] = p.FROM_CLIENT) -> p.ProtocolError:
    with pytest.raises(p.ProtocolError) as caught:
        p.decode(msgpack.packb(plain), operations)
    return caught.value


def test_a_strategy_for_every_message() -> None:
    assert set(MESSAGES) == set(EVERYTHING.values())


@pytest.mark.parametrize("cls", MESSAGES, ids=lambda cls: cls.op)
def test_round_trip(cls: type[p.Message]) -> None:
    @given(MESSAGES[cls])
    def check(message: p.Message) -> None:
        frame = p.encode(message)
        assert same(message, p.decode(frame, EVERYTHING))
        assert frame == p.encode(p.decode(frame, EVERYTHING))

    check()


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(frame: bytes) -> None:
    with pytest.raises(p.ProtocolError):
        p.decode(frame, EVERYTHING)


plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=9)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from(sorted(EVERYTHING)), st.dictionaries(st.text(max_size=9), plain_values, max_size=5))
def test_any_map_is_read_or_refused(op: str, fields: dict[str, Any]) -> None:
    try:
        p.decode(msgpack.packb(fields | {"v": 1, "op": op}), EVERYTHING)
    except p.ProtocolError as error:
        assert error.message


@given(st.sampled_from(sorted(animate_map())), plain_values)
def test_any_field_of_any_type_is_read_or_refused(name: str, value: Any) -> None:
    try:
        p.decode(msgpack.packb(animate_map(**{name: value})), p.FROM_CLIENT)
    except p.ProtocolError as error:
        assert error.message


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_one_wrong_byte_is_read_or_refused(place: int, value: int) -> None:
    frame = bytearray(p.encode(p.Chunk("c", 0, np.zeros((3, 5), np.float32), np.zeros((3, 6), np.float32))))
    frame[place % len(frame)] = value
    try:
        p.decode(bytes(frame), p.FROM_SERVER)
    except p.ProtocolError as error:
        assert error.message


def test_every_truncation_is_refused() -> None:
    frame = p.encode(p.Animate("job-1", p.AudioSource(SHA), PromptTimeline.single("a happy woman", 2.0), 25.0))
    for length in range(len(frame)):
        with pytest.raises(p.ProtocolError):
            p.decode(frame[:length], p.FROM_CLIENT)


def test_more_bytes_than_one_message_are_refused() -> None:
    with pytest.raises(p.ProtocolError):
        p.decode(p.encode(p.Ping("a")) + b"\x00", p.FROM_CLIENT)


def test_unknown_fields_are_ignored() -> None:
    plain = animate_map(colour="blue")
    plain["audio"]["mood"] = 3
    assert p.decode(msgpack.packb(plain), p.FROM_CLIENT) == p.decode(msgpack.packb(animate_map()), p.FROM_CLIENT)


def test_unknown_operation_keeps_the_request_id() -> None:
    error = refused({"v": 1, "op": "format_disk", "id": "x-7"})
    assert (error.code, error.request_id) == ("unknown_op", "x-7")


def test_a_client_must_not_send_what_servers_send() -> None:
    assert refused(msgpack.unpackb(p.encode(p.Pong("x")))).code == "unknown_op"


def test_another_version_is_named() -> None:
    error = refused(animate_map(v=7))
    assert error.code == "version" and "protocol 7" in error.message and error.request_id == "job-1"


def test_hello_and_error_are_understood_in_every_version() -> None:
    for message in (p.Hello("h", (7, 8), "future"), p.Failure("h", "version", "too old")):
        assert p.decode(p.encode(message, version=7), EVERYTHING) == message


def test_too_large_is_refused_unread() -> None:
    with pytest.raises(p.ProtocolError) as caught:
        p.decode(b"\x00" * 1001, p.FROM_CLIENT, max_bytes=1000)
    assert caught.value.code == "too_large"
    with pytest.raises(p.ProtocolError) as caught:
        p.encode(p.Chunk("c", 0, np.zeros((100_000, 52), np.float32)))
    assert caught.value.code == "too_large"


def test_a_length_that_lies_does_not_allocate() -> None:
    for head in (
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff",
        b"\xc6\xff\xff\xff\xff",
        b"\x81\xa1a\xdd\xff\xff\xff\xff",
    ):
        with pytest.raises(p.ProtocolError):
            p.decode(head, p.FROM_CLIENT)


def test_nested_without_end_is_refused() -> None:
    for frame in (b"\x91" * 100_000 + b"\xc0", b"\x81\xa1a" * 100_000 + b"\xc0"):
        with pytest.raises(p.ProtocolError):
            p.decode(frame, p.FROM_CLIENT)


def test_extension_types_are_refused() -> None:
    plain = animate_map(text=msgpack.Timestamp(1, 2), colour=msgpack.ExtType(4, b"x"))
    assert refused(plain).code == "malformed"


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"fps": float("nan")}, "animate.fps"),
        ({"fps": 0}, "animate.fps"),
        ({"fps": True}, "animate.fps"),
        ({"fps": "25"}, "animate.fps"),
        ({"seed": 1.5}, "animate.seed"),
        ({"seed": -1}, "animate.seed"),
        ({"credit": 10**9}, "animate.credit"),
        ({"id": "two words"}, "animate.id"),
        ({"id": ""}, "animate.id"),
        ({"space": "x" * 33}, "animate.space"),
        ({"text": b"bytes"}, "animate.text"),
        ({"audio": {"sha256": "../../etc/passwd"}}, "animate.audio.sha256"),
        ({"audio": {}}, "'sha256' is missing"),
        ({"audio": []}, "animate.audio"),
        ({"timeline": {"segments": [{"prompt": "x", "start_s": 2.0, "end_s": 1.0}]}}, "animate.timeline.segments[0]"),
        ({"timeline": {"segments": 5}}, "animate.timeline.segments"),
        ({"timeline": {"segments": [{"prompt": "x", "start_s": 0.0, "end_s": 1.0, "intensity_keys": [[1.0]]}]}},
         "animate.timeline.segments[0]"),
        ({"timeline": {"segments": [{"prompt": "x", "start_s": 0.0, "end_s": 1.0, "intensity_keys": [[0.0, 3.0]]}]}},
         "animate.timeline.segments[0]"),
        ({"gains": {"head": 9.0}}, "animate.gains"),
        ({"styles": [{"uid": "s", "sha256": SHA, "name": "a.mp4", "weight": 1.1}]}, "animate.styles[0].weight"),
        ({"styles": [{"uid": "s", "sha256": "../a.mp4", "name": "a.mp4"}]}, "animate.styles[0].sha256"),
        ({"phones": {"phones": [{"symbol": "Q", "start_s": 0.0, "end_s": 1.0}], "words": [], "duration_s": 1.0,
                     "backend": "x"}}, "animate.phones"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(changes: dict[str, Any], part: str) -> None:
    assert part in refused(animate_map(**changes)).message


@pytest.mark.parametrize(
    "values",
    [
        {"dtype": "<f4", "shape": [2, 52], "data": b"\0" * 100},
        {"dtype": "|O8", "shape": [1, 1], "data": b"\0" * 8},
        {"dtype": "<f8", "shape": [1, 1], "data": b"\0" * 8},
        {"dtype": "<f4", "shape": [2**40, 2**40], "data": b""},
        {"dtype": "<f4", "shape": [-1, -1], "data": b"\0" * 4},
        {"dtype": "<f4", "shape": [1], "data": b"\0" * 4},
        {"dtype": "<f4", "shape": [1] * 9, "data": b"\0" * 4},
        {"dtype": "<f4", "shape": [True, 1], "data": b"\0" * 4},
        {"dtype": "<f4", "shape": [1, 1], "data": "text"},
        {"dtype": "<f4", "shape": [1, 1], "data": np.float32("nan").tobytes()},
        {"dtype": ["<f4"], "shape": [1, 1], "data": b"\0" * 4},
        {"shape": [1, 1], "data": b"\0" * 4},
        [[0.0]],
        None,
    ],
)
def test_arrays_must_be_what_they_say(values: Any) -> None:
    plain = {"v": 1, "op": "chunk", "id": "c", "first_frame": 0, "values": values}
    assert "chunk.values" in refused(plain, p.FROM_SERVER).message


def test_layers_must_fit_each_other() -> None:
    rows = {"dtype": "<f4", "shape": [1, 2], "data": b"\0" * 8}
    layers = {"mouth": rows, "expression": rows, "blinks": rows, "gaze": rows | {"shape": [2, 1]}}
    plain = {"v": 1, "op": "chunk", "id": "c", "first_frame": 0, "values": rows, "layers": layers}
    assert "chunk.layers" in refused(plain, p.FROM_SERVER).message
    assert "'expression' is missing" in refused(plain | {"layers": {"mouth": rows}}, p.FROM_SERVER).message


def test_what_cannot_travel_is_refused_before_it_is_sent() -> None:
    bad = np.full((1, 52), np.inf, np.float32)
    for message in (
        p.Chunk("c", 0, bad),
        p.Chunk("c", 0, np.zeros((1, 52))),
        p.Progress("c", "stage", float("nan")),
        p.Progress("c", "stage", 0.0, "\udc80"),
        p.Progress("c", "stage", 0.0, object()),  # type: ignore[arg-type]
        p.Accepted("c", 2**80),
    ):
        with pytest.raises(p.ProtocolError):
            p.encode(message)


def test_protocol_and_client_are_light() -> None:
    """They run inside Blender: nothing that computes may come along."""
    script = (
        "import sys, talkclip.client, talkclip.protocol;"
        "heavy = {'torch', 'bpy', 'scipy', 'onnxruntime', 'soundfile', 'av', 'talkclip.engine', 'talkclip_rigs'};"
        "found = heavy & set(sys.modules); assert not found, found"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
