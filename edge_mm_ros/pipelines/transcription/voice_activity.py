"""Voice probability of short frames, by the Silero detector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends import BackendError, TensorModel
from edge_mm_ros.runtime import ModelHost

FRAME_SAMPLES = 512
_CONTEXT_SAMPLES = 64
_STATE_SHAPE = (1, 1, 128)


class VoiceActivity:
    """Silero VAD (github.com/snakers4/silero-vad) over a stream at 16 kHz.

    The model takes frames of 512 samples, each behind the last 64 of the frame before, and
    carries a recurrent state, which is kept here.
    """

    def __init__(self, host: ModelHost, model: str) -> None:
        self._host = host
        self._model = model
        self.reset()

    def reset(self) -> None:
        """Forget what was heard."""
        self._context = np.zeros((1, _CONTEXT_SAMPLES), dtype=np.float32)
        self._hidden = np.zeros(_STATE_SHAPE, dtype=np.float32)
        self._cell = np.zeros(_STATE_SHAPE, dtype=np.float32)

    def probabilities(self, frames: NDArray[np.float32]) -> NDArray[np.float32]:
        """Voice probability (n,), 0 to 1, of the stream's next frames (n, 512).

        Raises:
            BackendError: the model is not a voice activity detector of this kind, or it failed.
        """
        if len(frames) == 0:
            return np.zeros(0, dtype=np.float32)
        tails = frames[:, -_CONTEXT_SAMPLES:]
        contexts = np.concatenate([self._context, tails[:-1]])
        feeds = {
            "input": np.concatenate([contexts, frames], axis=1),
            "h": self._hidden,
            "c": self._cell,
        }
        with self._host.lease(self._model) as model:
            if not isinstance(model, TensorModel):
                raise BackendError(f"model '{self._model}' takes no tensors; is it Silero VAD?")
            outputs = model.run(feeds)
        try:
            probabilities = outputs["speech_probs"].reshape(len(frames))
            self._hidden, self._cell = outputs["hn"], outputs["cn"]
        except (KeyError, ValueError) as error:
            raise BackendError(
                f"model '{self._model}': expected {len(frames)} speech_probs, hn and cn, got "
                f"{ {name: value.shape for name, value in outputs.items()} }"
            ) from error
        self._context = tails[-1:].copy()
        return np.asarray(probabilities, dtype=np.float32)
