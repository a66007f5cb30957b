"""Keys: who has one comes in, nobody else does, and everybody is told why."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from talkclip.client import Client, ClientKeys, ConnectionFailed, SpeakRequest, Timeouts
from talkclip.errors import InputError
from talkclip.timeline import PromptTimeline
from talkclip_server import Keyring, Server, running_server
from talkclip_server.address import bind_address
from talkclip_server.security import new_client, new_pair
from tests.support.command import talkclip
from tests.support.small_engine import SmallEngine

posix = pytest.mark.skipif(os.name != "posix", reason="permissions are the folder's on Windows")
TIMES = Timeouts(connect_s=5.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def anna(folder: Path, tmp_path: Path) -> Path:
    """The file of a client that is allowed."""
    keyring = Keyring.open_or_make(folder)
    keys = new_client(keyring.public, tmp_path / "anna.json")
    keyring.allow("anna", keys.public)
    return tmp_path / "anna.json"


@pytest.fixture
def server(folder: Path, anna: Path) -> Iterator[Server]:
    with running_server(SmallEngine(), keys=folder) as running:
        yield running


def speaks(client: Client, tmp_path: Path) -> bool:
    file = tmp_path / "line.wav"
    file.write_bytes(b"sound" * 1000)
    reply = client.animate(SpeakRequest(file, PromptTimeline.single("x", 9.0), 25.0), timeout_s=20)
    return reply.track.n_frames == 120


def test_a_client_with_a_key_works(server: Server, anna: Path, tmp_path: Path) -> None:
    with Client(server.address, keys=anna, timeouts=TIMES) as client:
        assert speaks(client, tmp_path)


def refusal(client: Client) -> ConnectionFailed:
    with client, pytest.raises(ConnectionFailed) as caught:
        client.connect()
    return caught.value


def test_without_a_key_nobody_comes_in_and_is_told_so_at_once(server: Server) -> None:
    begin_s = time.monotonic()
    error = refusal(Client(server.address, timeouts=TIMES))
    assert error.code == "key_refused" and "talkclip keys new" in error.hint
    assert time.monotonic() - begin_s < 3


def test_a_key_that_is_not_allowed(server: Server, folder: Path, tmp_path: Path) -> None:
    stranger = new_client(Keyring.open(folder).public, tmp_path / "stranger.json")
    error = refusal(Client(server.address, keys=stranger, timeouts=TIMES))
    assert error.code == "key_refused" and "not allowed" in error.message


def test_a_client_that_expects_another_server_does_not_talk_to_this_one(
    server: Server, folder: Path, anna: Path
) -> None:
    keys = ClientKeys.read(anna)
    wrong = ClientKeys(new_pair()[0], keys.public, keys.secret)
    assert isinstance(refusal(Client(server.address, keys=wrong, timeouts=Timeouts(connect_s=1.0))), ConnectionFailed)


def test_others_do_not_notice_who_is_refused(server: Server, anna: Path, folder: Path, tmp_path: Path) -> None:
    with Client(server.address, keys=anna, timeouts=TIMES) as client:
        assert speaks(client, tmp_path)
        for k in range(5):
            stranger = new_client(Keyring.open(folder).public, tmp_path / f"stranger{k}.json")
            refusal(Client(server.address, keys=stranger, timeouts=TIMES))
            refusal(Client(server.address, timeouts=TIMES))
        assert speaks(client, tmp_path)


def test_a_client_may_be_allowed_and_removed_while_the_server_runs(
    server: Server, folder: Path, tmp_path: Path
) -> None:
    keyring = Keyring.open(folder)
    bert = new_client(keyring.public, tmp_path / "bert.json")
    keyring.allow("bert", bert.public)
    with Client(server.address, keys=bert, timeouts=TIMES) as client:
        assert speaks(client, tmp_path)
    keyring.remove("bert")
    assert refusal(Client(server.address, keys=bert, timeouts=TIMES)).code == "key_refused"


def test_a_client_with_a_key_at_a_server_without(anna: Path) -> None:
    with running_server(SmallEngine()) as plain:
        error = refusal(Client(plain.address, keys=anna, timeouts=Timeouts(connect_s=2.0)))
    assert isinstance(error, ConnectionFailed)


def test_what_travels_cannot_be_read(server: Server, anna: Path, tmp_path: Path) -> None:
    """A wiretap between client and server sees no word of the prompt."""
    import socket
    import threading

    host, port = server.address.removeprefix("tcp://").split(":")
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as tap:

        def carry(source: socket.socket, target: socket.socket) -> None:
            while data := source.recv(65536):
                heard.append(data)
                target.sendall(data)

        def listen() -> None:
            near, _ = tap.accept()
            with near, socket.create_connection((host, int(port))) as far:
                back = threading.Thread(target=carry, args=(far, near), daemon=True)
                back.start()
                carry(near, far)

        threading.Thread(target=listen, daemon=True).start()
        with Client(f"tcp://127.0.0.1:{tap.getsockname()[1]}", keys=anna, timeouts=TIMES) as client:
            file = tmp_path / "line.wav"
            file.write_bytes(b"SECRETSOUND" * 100)
            client.animate(SpeakRequest(file, PromptTimeline.single("secret prompt", 9.0), 25.0), timeout_s=20)
    everything = b"".join(heard)
    assert len(everything) > 10_000 and b"secret prompt" not in everything and b"SECRETSOUND" not in everything


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["tcp://0.0.0.0:5599", "tcp://*:5599", "tcp://[::]:5599", "tcp://192.168.1.5:1"])
def test_other_machines_may_come_with_keys_only(address: str) -> None:
    assert bind_address(address, with_keys=True) == address
    with pytest.raises(InputError, match="no keys"):
        bind_address(address, with_keys=False)


def test_names_are_no_addresses_to_listen_at() -> None:
    with pytest.raises(InputError, match="names no address"):
        bind_address("tcp://example.org:5599", with_keys=True)


# --- files ----------------------------------------------------------------------------------------------------------


@posix
def test_secrets_are_for_their_owner_alone(folder: Path, anna: Path) -> None:
    for path in (anna, folder / "server.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@posix
def test_secrets_that_others_can_read_are_refused(folder: Path, anna: Path) -> None:
    for path in (anna, folder / "server.json"):
        path.chmod(0o644)
    with pytest.raises(InputError, match=r"anna\.json.*other users.*chmod 600"):
        Client("tcp://127.0.0.1:1", keys=anna)
    with pytest.raises(InputError, match=r"server\.json.*other users"):
        Keyring.open(folder)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff\xfe", b'{"server": "x", "public": "y", "secret": "z"}'])
def test_files_that_hold_no_keys_are_explained(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "anna.json"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(InputError, match=r"anna\.json"):
        ClientKeys.read(path)


def test_keys_are_not_printed_by_accident(anna: Path) -> None:
    keys = ClientKeys.read(anna)
    assert keys.secret not in repr(keys) and keys.public in repr(keys)


# --- the command ----------------------------------------------------------------------------------------------------


def test_new_list_remove(tmp_path: Path) -> None:
    folder = tmp_path / "server keys"
    made = talkclip("keys", "new", "anna", "--keys", folder, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    keys = ClientKeys.read(tmp_path / "anna.json")
    listed = talkclip("keys", "list", "--keys", folder)
    rows = dict(line.split("\t") for line in listed.stdout.splitlines())
    assert rows == {"server": keys.server, "anna": keys.public} and keys.secret not in listed.stdout
    again = talkclip("keys", "new", "anna", "--keys", folder, cwd=tmp_path)
    assert again.returncode == 2 and "has a key already" in again.stderr and "Traceback" not in again.stderr
    assert talkclip("keys", "remove", "anna", "--keys", folder).returncode == 0
    assert "anna" not in talkclip("keys", "list", "--keys", folder).stdout


def test_a_client_makes_its_own_key_and_is_allowed_by_its_public_half(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    server = Keyring.open_or_make(folder)
    made = talkclip("keys", "new", "bert", "--server", server.public, "-o", tmp_path / "b.json")
    keys = ClientKeys.read(tmp_path / "b.json")
    assert made.returncode == 0 and keys.public in made.stderr and keys.secret not in made.stderr
    assert talkclip("keys", "allow", "bert", keys.public, "--keys", folder).returncode == 0
    assert server.allowed() == {keys.public: "bert"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("new", "anna"), "--keys DIR"),
        (("new", "../anna", "--keys", "k"), "not a name"),
        (("new", "anna", "--server", "nonsense"), "not one"),
        (("allow", "anna", "nonsense", "--keys", "k"), "not a public key"),
        (("list", "--keys", "nowhere"), "holds no keys"),
        (("remove", "anna", "--keys", "nowhere"), "holds no keys"),
    ],
)
def test_mistakes_are_explained(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    result = talkclip("keys", *arguments, cwd=tmp_path)
    assert result.returncode == 2 and words in result.stderr and "Traceback" not in result.stderr
    assert not list(tmp_path.glob("*.json"))


def test_serve_with_a_folder_without_keys(tmp_path: Path) -> None:
    result = talkclip("serve", "--bind", "tcp://0.0.0.0:*", "--keys", tmp_path / "nowhere")
    assert result.returncode == 2 and "talkclip keys new" in result.stderr


def test_curve_is_there() -> None:
    assert zmq.has("curve")
