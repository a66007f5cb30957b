"""`talkclip prompt`: what is understood."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from talkclip.cli import options


def prompt(
    text: Annotated[str, typer.Argument(help="The prompt, in quotes.")],
    adapter: options.AdapterFile = None,
    text_encoder: options.TextEncoder = None,
) -> None:
    """Show what is understood from a prompt: clauses, movements, emotions, strength.

    Example:  talkclip prompt "furious, but with a polite smile and one raised brow"
    """
    from talkclip.cli.encoders import adapted_encoder
    from talkclip.engine.models.style_space import StyleSpace
    from talkclip.engine.text.encoder import MiniLMEncoder
    from talkclip.engine.text.pose import PromptStyler
    from talkclip.engine.text.style_coder import StyleCoder

    adapted = adapted_encoder(adapter, text_encoder)
    reading = StyleCoder(PromptStyler(MiniLMEncoder.load()), StyleSpace.load(), adapted).read(text)
    Console(highlight=False, markup=False, soft_wrap=True).print(reading.describe())
