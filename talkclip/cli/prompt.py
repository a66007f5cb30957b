"""`talkclip prompt`: what is understood."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console


def prompt(
    text: Annotated[str, typer.Argument(help="The prompt, in quotes.")],
) -> None:
    """Show what is understood from a prompt: clauses, movements, emotions, strength.

    Example:  talkclip prompt "furious, but with a polite smile and one raised brow"
    """
    from talkclip.engine.text.encoder import MiniLMEncoder
    from talkclip.engine.text.pose import PromptStyler

    reading = PromptStyler(MiniLMEncoder.load()).read(text)
    Console(highlight=False, markup=False, soft_wrap=True).print(reading.describe())
