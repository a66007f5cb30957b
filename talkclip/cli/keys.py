"""`talkclip keys`: who may use a server that other machines can reach."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

Folder = Annotated[Path, typer.Option("--keys", help="The server's folder of keys.")]
Name = Annotated[str, typer.Argument(help="What to call the client: letters, digits, - _ and .")]

app = typer.Typer(
    name="keys",
    help="Keys for servers that other machines can reach.\n\n"
    "On the server:  talkclip keys new anna --keys DIR   (makes anna.json: hand it to Anna, safely)\n\n"
    "Then:           talkclip serve --bind 'tcp://*:5599' --keys DIR",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command("new")
def new(
    name: Name,
    keys: Annotated[Path | None, typer.Option("--keys", help="The server's folder; made if need be.")] = None,
    server: Annotated[
        str | None, typer.Option(help="On the client's machine: the server's public key (`talkclip keys list`).")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The client's file; default NAME.json.")] = None,
) -> None:
    """Make a key for a client.

    On the server (--keys DIR) the client is allowed at once; hand its file over safely, it is secret. Or let clients
    make their own (--server PUBLIC) and tell only its public half, which `talkclip keys allow` lets in.
    """
    from talkclip.errors import InputError
    from talkclip_server.security import Keyring, new_client

    if (keys is None) == (server is None):
        raise InputError("Where is the key for?", "Give --keys DIR on the server, or --server PUBLIC on a client.")
    target = output or Path(f"{name}.json")
    if keys is None:
        made = new_client(server or "", target)
        _say(f"{target}: keep it secret. On the server:  talkclip keys allow {name} {made.public} --keys DIR")
        return
    keyring = Keyring.open_or_make(keys)
    if name in keyring.allowed().values():
        raise InputError(
            f"'{name}' has a key already.", f"Remove it first: talkclip keys remove {name} --keys '{keys}'"
        )
    made = new_client(keyring.public, target)
    try:
        keyring.allow(name, made.public)
    except InputError:
        target.unlink()
        raise
    _say(f"{target}: allowed as '{name}'. It is secret: hand it over safely, then delete it here.")


@app.command("allow")
def allow(name: Name, public: Annotated[str, typer.Argument(help="The client's public key.")], keys: Folder) -> None:
    """Let in a client that made its own key."""
    from talkclip_server.security import Keyring

    keyring = Keyring.open_or_make(keys)
    keyring.allow(name, public)
    _say(f"'{name}' may come in. The server's public key: {keyring.public}")


@app.command("remove")
def remove(name: Name, keys: Folder) -> None:
    """Let a client in no more (connections it has stay until they end)."""
    from talkclip_server.security import Keyring

    Keyring.open(keys).remove(name)
    _say(f"'{name}' may not come in any more.")


@app.command("list")
def show(keys: Folder) -> None:
    """The server's public key, and who may come in. Prints no secrets."""
    from talkclip_server.security import Keyring

    keyring = Keyring.open(keys)
    print(f"server\t{keyring.public}")
    for public, name in sorted(keyring.allowed().items(), key=lambda item: item[1]):
        print(f"{name}\t{public}")


def _say(line: str) -> None:
    Console(stderr=True, highlight=False, markup=False, soft_wrap=True).print(line)
