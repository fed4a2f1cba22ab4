"""One real use of each shipped model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any

import numpy as np

from edge_mm_ros.bench.material import (
    CHAT,
    DETECTOR,
    LANGUAGE,
    TRANSCRIBER,
    VOICE_DETECTOR,
    WRITER,
    first_tensor,
    speech,
)

Use = Callable[[Any], object]
_SPEECH_SAMPLES = 5 * 16_000
_VOICE_FRAMES = 100
_VOICE_SAMPLES = 576  # 64 of the frame before, and 512


def uses(tokens: int = 8) -> Mapping[str, Use]:
    """By model: runs it once on the sample's picture or speech, or on a short request.

    Args:
        tokens: length of a generated answer.
    """
    picture, sound = first_tensor(), speech()[:_SPEECH_SAMPLES]
    frames = sound[: _VOICE_FRAMES * _VOICE_SAMPLES].reshape(_VOICE_FRAMES, _VOICE_SAMPLES)

    def detect(model: Any) -> object:
        return model.run({model.inputs[0].name: picture})

    def transcribe(model: Any) -> object:
        return model.transcribe(sound, LANGUAGE)

    def generate(model: Any) -> object:
        pieces = model.generate(CHAT, max_tokens=tokens, temperature=0.0, seed=0)
        with closing(pieces):
            return "".join(pieces)

    def hear(model: Any) -> object:
        states = {
            spec.name: np.zeros([size or 1 for size in spec.shape], spec.dtype)
            for spec in model.inputs
        }
        return model.run(states | {"input": frames})

    return {DETECTOR: detect, TRANSCRIBER: transcribe, WRITER: generate, VOICE_DETECTOR: hear}
