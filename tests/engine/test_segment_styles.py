"""A style clip of one segment: it plays there and nowhere else, at the segment's intensity, in edits too."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from talkclip.audio import AudioClip
from talkclip.coefficients import ARKIT52, CoefficientTrack, arkit_index
from talkclip.engine.models.style_encoder import StyleEncoder
from talkclip.engine.request import AnimateRequest, StyleClip
from talkclip.engine.streaming import Finished, Span, StreamingPipeline, Stretch, joined
from talkclip.errors import InputError
from talkclip.gains import LayerGains
from talkclip.timeline import PromptSegment, PromptTimeline

BROW, SMILE = arkit_index("browDownLeft"), arkit_index("mouthSmileLeft")


@pytest.fixture(scope="module")
def scowl() -> CoefficientTrack:
    values = np.zeros((75, 52), np.float32)
    values[:, [BROW, arkit_index("browDownRight")]] = 0.8
    values[:, arkit_index("jawOpen")] = 0.15 + 0.15 * np.sin(np.arange(75) / 2)
    return CoefficientTrack("arkit52", ARKIT52, 25.0, values)


def two(first: str = "", second: str = "", **of_second: object) -> PromptTimeline:
    segments = PromptSegment(first, 0, 4, uid="a"), PromptSegment(second, 4, 9, uid="b")
    return PromptTimeline((segments[0], dataclasses.replace(segments[1], **of_second)))


def asked(clip: AudioClip, timeline: PromptTimeline, *styles: StyleClip) -> AnimateRequest:
    return AnimateRequest(clip, timeline, seed=3, gains=LayerGains(blinks=0.0, head=0.0), styles=styles)


def values(working: StreamingPipeline, request: AnimateRequest) -> np.ndarray:
    return working.animate(request).track.values


def test_a_clip_plays_in_its_segment_and_nowhere_else(
    working: StreamingPipeline, line: AudioClip, scowl: CoefficientTrack
) -> None:
    plain = values(working, asked(line, two("beaming with joy")))
    styled = values(working, asked(line, two("beaming with joy"), StyleClip(scowl, 1.0, "b")))
    np.testing.assert_array_equal(styled[:115], plain[:115])
    assert styled[130:, BROW].mean() > plain[130:, BROW].mean() + 0.4
    assert styled[:110, BROW].max() < 0.1 and styled[:110, SMILE].mean() > 0.3


def test_weights_share_a_segment_between_prompt_and_clip(
    working: StreamingPipeline, line: AudioClip, scowl: CoefficientTrack
) -> None:
    happy = two("", "beaming with joy")
    none, half, all_of_it = (
        values(working, asked(line, happy, StyleClip(scowl, weight, "b")))[130:].mean(axis=0) for weight in (0, 0.5, 1)
    )
    assert none[BROW] + 0.15 < half[BROW] < all_of_it[BROW] - 0.15
    assert none[SMILE] - 0.1 > half[SMILE] > all_of_it[SMILE] + 0.1


def test_two_segments_have_two_clips(working: StreamingPipeline, line: AudioClip, scowl: CoefficientTrack) -> None:
    smile = np.zeros((75, 52), np.float32)
    smile[:, [SMILE, arkit_index("mouthSmileRight")]] = 0.7
    styles = StyleClip(scowl.with_values(smile), 1.0, "a"), StyleClip(scowl, 1.0, "b")
    found = values(working, asked(line, two(), *styles))
    assert found[:110, SMILE].mean() > 0.3 > 0.1 > found[:110, BROW].mean()
    assert found[130:, BROW].mean() > 0.3 > 0.1 > found[130:, SMILE].mean()


def test_a_clip_follows_the_segments_intensity(
    working: StreamingPipeline, line: AudioClip, scowl: CoefficientTrack
) -> None:
    style = StyleClip(scowl, 1.0, "b")
    weak = values(working, asked(line, two(intensity=0.3), style))[130:, BROW].mean()
    keyed = values(working, asked(line, two(intensity_keys=((4.5, 0.0), (8.0, 1.0))), style))[:, BROW]
    assert 0.1 < weak < 0.5 * keyed[240:].mean()
    assert keyed[:130].max() < 0.1 and keyed[200:215].mean() < keyed[240:].mean() - 0.1


def test_streamed_frames_have_the_segments_style(
    working: StreamingPipeline, line: AudioClip, scowl: CoefficientTrack
) -> None:
    request = asked(line, two("sad", "sad", intensity_keys=((4.5, 0.2), (8.0, 1.2))), StyleClip(scowl, 0.6, "b"))
    *stretches, finished = [item for item in working.stream(request) if not isinstance(item, Span)]
    assert isinstance(finished, Finished)
    streamed = joined([item for item in stretches if isinstance(item, Stretch)], finished).track.values
    np.testing.assert_allclose(streamed, values(working, request), atol=1e-5)


def edited(
    working: StreamingPipeline, request: AnimateRequest, before: PromptTimeline, restyled: tuple[str, ...]
) -> tuple[Span, np.ndarray]:
    span, *stretches, _ = working.edit(request, before, restyled=restyled)
    assert isinstance(span, Span)
    parts = [item.track.values for item in stretches if isinstance(item, Stretch)]
    return span, np.concatenate(parts) if parts else np.zeros((0, 52), np.float32)


def test_a_new_clip_is_an_edit_of_its_segment(
    working: StreamingPipeline, line: AudioClip, scowl: CoefficientTrack
) -> None:
    request = asked(line, two("sad", "calm"), StyleClip(scowl, 0.8, "b"))
    span, found = edited(working, request, two("sad", "calm"), ("b",))
    assert 3.7 < span.first / 30 < 4.0 and span.end == span.n_frames
    np.testing.assert_allclose(found, values(working, request)[span.first :], atol=1e-5)


def test_a_clip_that_is_gone_is_an_edit_too(working: StreamingPipeline, line: AudioClip) -> None:
    """Of a segment that is still there, and of one that went with it: neutral both, but the old frames were not."""
    without = asked(line, two("sad", ""))
    span, found = edited(working, without, two("sad", ""), ("b",))
    assert span.first / 30 > 3.7 and len(found) == span.end - span.first > 100
    alone = asked(line, PromptTimeline(two("sad").segments[:1]))
    assert edited(working, alone, two("sad", ""), ())[0].first >= 110, "only where the hand-over was"
    span, _ = edited(working, alone, two("sad", ""), ("b",))
    assert span.end == span.n_frames


def test_a_prompt_edit_beside_a_clip_touches_its_own_segment(
    working: StreamingPipeline, line: AudioClip, scowl: CoefficientTrack
) -> None:
    request = asked(line, two("joyful", "calm"), StyleClip(scowl, 0.8, "b"))
    span, found = edited(working, request, two("sad", "calm"), ())
    assert span.first == 0 and span.end / 30 < 4.3
    np.testing.assert_allclose(found, values(working, request)[: span.end], atol=1e-5)


def test_a_clip_is_heard_once(
    working: StreamingPipeline, line: AudioClip, scowl: CoefficientTrack, monkeypatch: pytest.MonkeyPatch
) -> None:
    style = StyleClip(scowl, 0.8, "b")
    working.animate(asked(line, two(), style))
    monkeypatch.setattr(StyleEncoder, "code", lambda *_: pytest.fail("encoded again"))
    working.animate(asked(line, two("sad"), style))


def test_a_clip_of_nobody_is_refused(working: StreamingPipeline, line: AudioClip, scowl: CoefficientTrack) -> None:
    with pytest.raises(InputError, match="segment 'x', which is not on the timeline"):
        working.animate(asked(line, two(), StyleClip(scowl, 1.0, "x")))
    with pytest.raises(InputError, match="'x'"):
        list(working.stream(asked(line, two(), StyleClip(scowl, 1.0, "x"))))
    with pytest.raises(InputError, match="same segment"):
        asked(line, two(), StyleClip(scowl, 1.0, "a"), StyleClip(scowl, 0.5, "a"))
