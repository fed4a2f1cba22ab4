"""Text-to-speech programs: real ones where they are installed, else scripts that misbehave."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from edge_mm_ros.pipelines.synthesis import EngineFailed, EspeakNg, Piper, Voice
from edge_mm_ros.pipelines.synthesis.program_rendering import Limits

LIMITS = Limits(silence_s=10.0, sound_s=60.0)
VOICE = Voice("en", 165)
Program = Callable[[str], str]

# A program that takes its text as espeak-ng does and gives it back as sound, byte by byte.
ECHO = """
import sys, wave
data = sys.stdin.buffer.read()
out = wave.open(sys.stdout.buffer, "wb")
out.setnchannels(1); out.setsampwidth(2); out.setframerate(16000)
out._ensure_header_written(len(data) * 2)
sys.stdout.buffer.write(b"".join(bytes([byte, 0]) for byte in data))
"""


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Makes an executable of Python source."""

    def make(source: str) -> str:
        path = tmp_path / "speak"
        path.write_text(f"#!{sys.executable} -S\n{source}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    return make


def spoken(engine: EspeakNg | Piper, text: str = "hello") -> tuple[np.ndarray, int]:
    pieces = list(engine.begin(text, VOICE).pieces())
    return np.concatenate([samples for samples, _ in pieces]), pieces[0][1]


def failure(engine: EspeakNg | Piper) -> str:
    with pytest.raises(EngineFailed) as caught:
        spoken(engine)
    return str(caught.value)


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def needs_espeak() -> None:
    if shutil.which("espeak-ng") is None:
        pytest.skip("needs the program espeak-ng")


def test_espeak_ng_speaks() -> None:
    needs_espeak()
    engine = EspeakNg("espeak-ng", LIMITS)
    assert engine.problem() == ""
    samples, rate_hz = spoken(engine, "Person 7 has fallen, 2.1 metres away.")
    assert rate_hz == 22_050
    assert 1.5 < len(samples) / rate_hz < 6.0
    assert np.abs(samples).max() > 1000
    longer, _ = spoken(engine, "Person 7 has fallen, 2.1 metres away. " * 3)
    assert len(longer) > 2 * len(samples)


def test_espeak_ng_takes_any_text_as_text() -> None:
    needs_espeak()
    for text in (
        "--version",
        "-v nosuch",
        "$(exit 3)",
        "привет мир",
        "; exit 1",
        "1 < 2 & <speak>",
    ):
        samples, _ = spoken(EspeakNg("espeak-ng", LIMITS), text)
        assert len(samples) > 1000, text


def test_a_voice_that_espeak_ng_does_not_have_is_named() -> None:
    needs_espeak()
    with pytest.raises(EngineFailed, match=r"status 1: .*voice does not exist"):
        list(EspeakNg("espeak-ng", LIMITS).begin("hello", Voice("nosuch", 165)).pieces())


def test_the_text_reaches_the_program_as_it_is(program: Program) -> None:
    samples, rate_hz = spoken(EspeakNg(program(ECHO), LIMITS), "$(touch x) é")
    assert bytes(samples.astype(np.uint8)).decode() == "$(touch x) é\n"
    assert rate_hz == 16_000


def test_a_program_that_is_not_there_is_named_with_the_mend() -> None:
    assert "apt install espeak-ng" in EspeakNg("no-such-program", LIMITS).problem()
    assert "pip install piper-tts" in Piper("no-such-program", "voice.onnx", LIMITS).problem()


def test_a_program_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    path = tmp_path / "speak"
    path.write_text("#!/no/such/interpreter\n")
    path.chmod(0o755)
    assert "cannot be started" in failure(EspeakNg(str(path), LIMITS))


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("import sys; sys.exit('no audio data\\nvoice broken')", "status 1: voice broken"),
        ("import os; os.kill(os.getpid(), 11)", "status -11: it says nothing"),
        ("", "gave no sound"),
        ("print('hello world, this is text')", "no WAV file"),
        ("import time; time.sleep(60)", "gave nothing for 0.3 s and was ended"),
        (
            "import os, sys, time; print('x', flush=True); os.fork(); time.sleep(60)",
            "gave nothing for 0.3 s and was ended",
        ),
    ],
    ids=["error", "crash", "silent", "text", "hangs", "hangs with a child"],
)
def test_a_program_that_misbehaves_is_named_and_ended(
    program: Program, source: str, named: str
) -> None:
    engine = EspeakNg(
        program(source), Limits(0.3 if "hangs" in named or "0.3" in named else 10, 60)
    )
    assert named in failure(engine)
    assert children() == []


def test_endless_sound_is_cut(program: Program) -> None:
    endless = ECHO + "\nwhile True: sys.stdout.buffer.write(bytes(32000))\n"
    engine = EspeakNg(program(endless), Limits(silence_s=10.0, sound_s=5.0))
    assert "was ended after 5 s of sound" in failure(engine)
    assert children() == []


def test_a_program_that_does_not_read_its_text_blocks_nobody(program: Program) -> None:
    source = ECHO.replace("sys.stdin.buffer.read()", "b'deaf'")
    samples, _ = spoken(EspeakNg(program(source), LIMITS), "x" * 16_000)
    assert len(samples) == 4


def test_stop_ends_the_process_by_its_id_from_another_thread(program: Program) -> None:
    source = ECHO + "\nsys.stdout.flush()\nimport time; time.sleep(60)\n"
    rendering = EspeakNg(program(source), LIMITS).begin("hello", VOICE)
    pieces = rendering.pieces()
    next(pieces)
    (child,) = children()
    threading.Timer(0.0, rendering.stop).start()
    assert list(pieces) == []
    assert not child.is_running()
    rendering.stop()  # once more does no harm


PIPER = """
import os, sys
log = os.path.join(os.path.dirname(__file__), "starts")
open(log, "a").write(" ".join(sys.argv[1:]) + chr(10))
data = sys.stdin.buffer.read()
sys.stdout.buffer.write(b"".join(bytes([byte, 0]) for byte in data))
"""


@pytest.fixture
def voice_file(tmp_path: Path) -> Path:
    path = tmp_path / "en.onnx"
    path.write_bytes(b"")
    Path(f"{path}.json").write_text(json.dumps({"audio": {"sample_rate": 22_050}}))
    return path


def test_piper_keeps_a_process_ready_for_the_next_text(program: Program, voice_file: Path) -> None:
    piper = Piper(program(PIPER), str(voice_file), LIMITS)
    assert piper.problem() == ""
    piper.warm_up(VOICE)
    (ready,) = children()
    for text in ("one", "two"):
        samples, rate_hz = spoken(piper, text)
        assert bytes(samples.astype(np.uint8)).decode() == f"{text}\n"
        assert rate_hz == 22_050
    assert not ready.is_running()
    assert len(children()) == 1
    piper.close()
    assert children() == []


def test_piper_speaks_with_the_pace_that_is_asked_for(program: Program, voice_file: Path) -> None:
    piper = Piper(program(PIPER), str(voice_file), LIMITS)
    list(piper.begin("slow", Voice("en", 110)).pieces())
    started = (voice_file.parent / "starts").read_text().splitlines()
    assert started[0] == f"--model {voice_file} --output_raw --length_scale 1.500"
    piper.close()


def test_a_ready_process_that_died_is_replaced(program: Program, voice_file: Path) -> None:
    piper = Piper(program(PIPER), str(voice_file), LIMITS)
    piper.warm_up(VOICE)
    (ready,) = children()
    os.kill(ready.pid, 9)
    psutil.wait_procs([ready], timeout=10)
    samples, _ = spoken(piper, "one")
    assert len(samples) == 4
    piper.close()
    assert children() == []


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (None, "is not there; correct 'piper_voice'"),
        ("{", "does not tell a sample rate"),
        ('{"audio": 3}', "does not tell a sample rate"),
        ('{"audio": {"sample_rate": 1}}', "is none of 8000 to 48000 Hz"),
    ],
)
def test_a_piper_voice_that_is_wrong_is_named(
    program: Program, voice_file: Path, config: str | None, named: str
) -> None:
    path = Path(f"{voice_file}.json")
    path.unlink() if config is None else path.write_text(config)
    assert named in Piper(program(PIPER), str(voice_file), LIMITS).problem()
