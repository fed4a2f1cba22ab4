"""Who speaks, and what is told of who cannot."""

from __future__ import annotations

import threading

from fakes.speech_engines import ScriptedEngine, tone, utterance

from edge_mm_ros.datatypes import HealthLevel
from edge_mm_ros.pipelines.synthesis import EngineFailed, Renderer, Speech, Voice

VOICE = Voice("en", 165)


def rendered(*engines: ScriptedEngine) -> tuple[Speech, list[str], Renderer]:
    failures: list[str] = []
    renderer = Renderer(engines, VOICE, failures.append)
    speech = Speech(utterance("hello"))
    renderer.render(speech)
    return speech, failures, renderer


def test_the_first_engine_that_can_speaks() -> None:
    missing = ScriptedEngine(name="piper", trouble="piper is not installed; install it")
    speech, failures, renderer = rendered(missing, ScriptedEngine(lambda _: [tone(0.5)]))
    assert len(speech.take(10**6)) == 8000
    assert speech.over
    assert failures == []
    assert not renderer.problem()
    assert renderer.last_engine == "scripted"
    assert [entry.level for entry in renderer.health()] == [HealthLevel.WARN, HealthLevel.OK]


def test_one_that_fails_is_told_and_the_next_speaks() -> None:
    broken = ScriptedEngine(lambda _: [EngineFailed("piper broke")], name="piper")
    speech, failures, renderer = rendered(broken, ScriptedEngine())
    assert len(speech.take(10**6)) == 16_000
    assert failures == ["piper broke"]
    assert [entry.message for entry in renderer.health()] == ["piper broke", "ready"]


def test_one_that_fails_in_the_middle_is_not_begun_anew_by_another() -> None:
    broken = ScriptedEngine(lambda _: [tone(0.5), EngineFailed("piper broke")], name="piper")
    other = ScriptedEngine()
    speech, failures, _ = rendered(broken, other)
    assert len(speech.take(10**6)) == 8000
    assert other.texts == []
    assert failures == ["piper broke"]


def test_where_nothing_can_speak_it_is_told_with_the_mend() -> None:
    missing = ScriptedEngine(trouble="espeak-ng is not installed; apt install espeak-ng")
    speech, failures, renderer = rendered(missing)
    assert speech.over
    assert failures == ["not spoken: espeak-ng is not installed; apt install espeak-ng"]
    assert [entry.level for entry in renderer.health()] == [HealthLevel.ERROR]


def test_an_interruption_ends_an_engine_that_hangs_and_all_that_waits() -> None:
    engine = ScriptedEngine(lambda _: [tone(0.1), threading.Event()])
    begun = threading.Event()
    failures: list[str] = []
    renderer = Renderer([engine], VOICE, failures.append, begun.set)
    speech, waiting = Speech(utterance("1")), Speech(utterance("2"))
    thread = threading.Thread(target=renderer.render, args=(speech,))
    thread.start()
    assert begun.wait(10)
    renderer.interrupt()
    thread.join(10)
    assert not thread.is_alive()
    renderer.render(waiting)
    assert waiting.over
    assert engine.texts == ["1"]
    assert failures == []
    renderer.warm_up()
    after = Speech(utterance("3"))
    engine.script = lambda _: [tone(0.1)]
    renderer.render(after)
    assert engine.texts == ["1", "3"]
