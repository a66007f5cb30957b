"""The files of one request on their way: the sound, the clips its segments take their style from, a portrait."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

from talkclip.client.request import SegmentStyle, SpeakRequest
from talkclip.client.upload import FileState, Upload
from talkclip.errors import InputError
from talkclip.protocol import Message, Put, PutState, StyleSource, Welcome
from talkclip.timeline import PromptTimeline


@dataclasses.dataclass(frozen=True)
class RequestFiles:
    """What the server must have before the job can begin.

    Attributes:
        sound: what is spoken.
        styles: clips of segments; one file may serve several.
        portrait: the picture that speaks.
    """

    sound: Upload
    styles: tuple[tuple[SegmentStyle, Upload], ...] = ()
    portrait: Upload | None = None

    @classmethod
    def open(
        cls,
        request: SpeakRequest,
        known: dict[FileState, str],
        before: PromptTimeline | None = None,
        portrait: Path | None = None,
    ) -> RequestFiles:
        """Open all of them.

        Args:
            request: whose files.
            known: see `Upload`.
            before: another timeline whose segments' clips are needed.
            portrait: a picture.

        Raises:
            InputError: a file cannot be read or is empty; clips of segments go with a script, or two with one segment.
        """
        if request.script and request.styles:
            raise InputError("Style clips belong to segments, and a script has none yet.", "Give a timeline.")
        played = {segment.uid for line in (request.timeline, before) if line for segment in line.segments}
        styles = [style for style in request.styles if style.uid in played and style.weight > 0]
        if len({style.uid for style in styles}) != len(styles):
            raise InputError("Two style clips belong to the same segment.", "Give each segment one.")
        with contextlib.ExitStack() as opened:
            sound = Upload(request.audio, known)
            opened.callback(sound.close)
            clips = {request.audio: sound} if isinstance(request.audio, Path) else {}
            for style in styles:
                if style.clip not in clips:
                    clips[style.clip] = Upload(style.clip, known, "Give a video that shows a face, or a track of one.")
                    opened.callback(clips[style.clip].close)
            picture = None if portrait is None else Upload(portrait, known, "Give a picture of a face.")
            opened.pop_all()
        return cls(sound, tuple((style, clips[style.clip]) for style in styles), picture)

    def all(self) -> tuple[Upload, ...]:
        """Each file once."""
        uploads = [self.sound, *(upload for _, upload in self.styles)]
        return tuple(dict.fromkeys(uploads if self.portrait is None else [*uploads, self.portrait]))

    @property
    def fraction(self) -> float:
        """Share the server has, 0..1."""
        uploads = self.all()
        return sum(upload.fraction for upload in uploads) / len(uploads)

    def waiting(self) -> Upload | None:
        """The file that is being sent; None when the server has them all."""
        return next((upload for upload in self.all() if not upload.complete), None)

    def take_state(self, state: PutState) -> None:
        """The server says how much it has of a file."""
        for upload in self.all():
            if upload.sha256 == state.sha256:
                upload.take_state(state)

    def step(self, put_id: str, welcome: Welcome) -> tuple[Message | None, bool]:
        """Go on by one step, at the server that said welcome.

        Returns:
            What is to be sent, if anything, and whether another step can follow at once.

        Raises:
            InputError: a file is more than the server takes, or cannot be read any more; it takes no style clips.
        """
        if self.styles and not welcome.engine.style_clips:
            raise InputError("This server takes no style from clips.", "Direct the line by prompts, or update it.")
        limits = welcome.limits
        upload = self.waiting()
        if upload is None:
            return None, False
        if upload.size > limits.upload_bytes:
            text = f"{upload.name}: {upload.size >> 20} MB; this server takes at most {limits.upload_bytes >> 20} MB."
            raise InputError(text, "Cut it, or compress it.")
        if not upload.sha256:
            upload.hash_step()
            return None, True
        if not upload.announced:
            upload.announce()
            return Put(put_id, upload.sha256, upload.size), False
        chunk = upload.next_chunk(put_id, limits.upload_chunk_bytes)
        if chunk is not None:
            upload.chunk_sent(chunk)
        return chunk, chunk is not None

    def sources(self) -> tuple[StyleSource, ...]:
        """The clips as the wire names them; all are hashed."""
        return tuple(StyleSource(style.uid, upload.sha256, upload.name, style.weight) for style, upload in self.styles)

    def close(self) -> None:
        """Close the files."""
        for upload in self.all():
            upload.close()
