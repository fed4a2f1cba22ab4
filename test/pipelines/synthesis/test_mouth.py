"""One utterance after the other, at the pace of speech; what is more important cuts."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from fakes.speech_engines import RATE, S, tone, utterance

from edge_mm_ros.pipelines.synthesis import Mouth, Sounding, Speech, SpeechQueue

STEP_NS = 50_000_000


class Scene:
    """A mouth whose engine gives the whole sound at once, unless a test does it."""

    def __init__(self, sound_s: float | None = 1.0) -> None:
        self.sound_s = sound_s
        self.begun: list[Speech] = []
        self.queue = SpeechQueue(10, 30.0)
        self.mouth = Mouth(self.queue, self._begin, lead_s=0.15)
        self.heard: list[Sounding] = []
        self.speaking: list[tuple[float, bool]] = []
        self.now_ns = 0

    def _begin(self, speech: Speech) -> None:
        self.begun.append(speech)
        if self.sound_s is not None:
            speech.add(tone(self.sound_s, len(self.begun)), RATE)
            speech.end()

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * S / STEP_NS)):
            turn = self.mouth.step(self.now_ns)
            self.heard += turn.sound
            if not self.speaking or self.speaking[-1][1] != turn.speaking:
                self.speaking.append((self.now_ns / S, turn.speaking))
            self.now_ns += STEP_NS

    def sound(self, level: int) -> tuple[float, float]:
        """From when to when sound of a level was heard, seconds."""
        pieces = [piece for piece in self.heard if piece.samples[0] == level]
        last = pieces[-1]
        return pieces[0].stamp_ns / S, last.stamp_ns / S + len(last.samples) / RATE


def test_sound_comes_at_the_pace_of_speech_without_gaps() -> None:
    scene = Scene()
    scene.mouth.say(utterance("hello"))
    scene.run(0.5)
    given_s = sum(len(piece.samples) for piece in scene.heard) / RATE
    assert 0.5 <= given_s <= 0.65  # a little ahead, so that nobody runs dry
    scene.run(1.0)
    assert scene.sound(1) == (0.0, 1.0)
    for one, following in itertools.pairwise(scene.heard):
        assert following.stamp_ns == one.stamp_ns + len(one.samples) * S // RATE
    assert scene.speaking == [(0.0, True), (1.0, False)]
    assert scene.mouth.said == 1


def test_one_follows_the_other_without_a_break_in_speaking() -> None:
    scene = Scene()
    scene.mouth.say(utterance("one"))
    scene.mouth.say(utterance("two"))
    scene.run(2.5)
    assert scene.sound(1) == (0.0, 1.0)
    assert scene.sound(2) == (1.0, 2.0)
    assert scene.speaking == [(0.0, True), (2.0, False)]


def test_an_alarm_cuts_an_answer_within_a_fifth_of_a_second() -> None:
    scene = Scene(sound_s=10.0)
    scene.mouth.say(utterance("a long answer"))
    scene.run(2.0)
    assert scene.mouth.say(utterance("somebody fell", "alarm"))
    assert scene.begun[0].stopped
    said_ns = scene.now_ns
    scene.run(10.5)
    assert scene.sound(1)[1] * S <= said_ns + 0.2 * S
    assert scene.sound(2)[0] * S <= said_ns + 0.2 * S
    assert scene.mouth.cut == 1


def test_a_cut_answer_is_said_again_once() -> None:
    scene = Scene(sound_s=1.0)
    scene.mouth.say(utterance("the answer"))
    for number in range(3):
        scene.run(0.3)
        scene.mouth.say(utterance(f"alarm {number}", "alarm"))
        scene.run(1.3)
    scene.run(2.0)
    assert [speech.utterance.text for speech in scene.begun] == [
        *("the answer", "alarm 0", "the answer", "alarm 1", "alarm 2"),
    ]


def test_alarms_do_not_cut_alarms_and_answers_not_answers_but_summaries() -> None:
    scene = Scene()
    scene.mouth.say(utterance("summary", "summary"))
    scene.run(0.2)
    assert scene.mouth.say(utterance("answer"))
    scene.run(0.2)
    assert not scene.mouth.say(utterance("another"))
    assert scene.mouth.say(utterance("alarm", "alarm"))
    scene.run(0.2)
    assert not scene.mouth.say(utterance("alarm 2", "alarm"))


def test_an_utterance_without_sound_holds_up_nothing() -> None:
    scene = Scene(sound_s=None)
    scene.mouth.say(utterance("fails"))
    scene.mouth.say(utterance("works"))
    scene.run(0.1)
    scene.begun[0].end()
    scene.run(0.1)
    scene.begun[1].add(tone(0.5), RATE)
    scene.begun[1].end()
    scene.run(1.0)
    assert scene.mouth.said == 1
    assert scene.sound(1000) == pytest.approx((0.2, 0.7))


def test_an_engine_that_is_slower_than_speech_leaves_gaps_and_loses_nothing() -> None:
    scene = Scene(sound_s=None)
    scene.mouth.say(utterance("slow"))
    for _ in range(5):
        scene.run(0.3)
        scene.begun[0].add(tone(0.1), RATE)
    scene.begun[0].end()
    scene.run(0.5)
    assert sum(len(piece.samples) for piece in scene.heard) == 5 * RATE // 10
    for one, following in itertools.pairwise(scene.heard):
        assert following.stamp_ns >= one.stamp_ns + len(one.samples) * S // RATE


def test_pieces_do_not_depend_on_how_the_sound_comes() -> None:
    cuts = []
    for parts in (1, 3, 17):
        scene = Scene(sound_s=None)
        scene.mouth.say(utterance("hello"))
        scene.mouth.step(0)
        for part in np.array_split(tone(0.93), parts):
            scene.begun[0].add(part, RATE)
            scene.heard += scene.mouth.step(0).sound
        scene.begun[0].end()
        scene.run(1.5)
        cuts.append([(piece.stamp_ns, len(piece.samples)) for piece in scene.heard])
    assert cuts[0] == cuts[1] == cuts[2]
    assert sum(length for _, length in cuts[0]) == round(0.93 * RATE)


def test_silence_ends_at_once_what_is_said() -> None:
    scene = Scene(sound_s=10.0)
    scene.mouth.say(utterance("long"))
    scene.run(0.5)
    scene.mouth.silence()
    heard = len(scene.heard)
    scene.run(0.5)
    assert scene.begun[0].stopped
    assert len(scene.heard) == heard
    assert scene.speaking[-1] == (0.5, False)


def test_a_clock_that_is_set_back_goes_on_from_there() -> None:
    scene = Scene(sound_s=1.0)
    scene.now_ns = 1000 * S
    scene.mouth.say(utterance("hello", since_s=1000.0))
    scene.run(0.5)
    scene.now_ns = 10 * S
    scene.run(2.0)
    assert sum(len(piece.samples) for piece in scene.heard) == RATE
    assert not scene.mouth.step(scene.now_ns).speaking


def test_the_sound_is_the_engines_sound() -> None:
    scene = Scene(sound_s=None)
    scene.mouth.say(utterance("noise"))
    noise = np.random.default_rng(1).integers(-30_000, 30_000, 20_001).astype(np.int16)
    scene.run(0.05)
    for part in np.array_split(noise, 7):
        scene.begun[0].add(part, RATE)
    scene.begun[0].end()
    scene.run(3.0)
    assert np.array_equal(np.concatenate([piece.samples for piece in scene.heard]), noise)
