"""The narrow part of ``torch`` and ``openai-whisper`` that their backend uses, without weights."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

DIMS = {
    "n_mels": 80,
    "n_audio_ctx": 1500,
    "n_audio_state": 64,
    "n_audio_head": 2,
    "n_audio_layer": 2,
    "n_vocab": 51865,
    "n_text_ctx": 32,
    "n_text_state": 64,
    "n_text_head": 2,
    "n_text_layer": 2,
}
SEGMENT = {
    "text": " stop the robot",
    "start": 0.0,
    "end": 0.5,
    "avg_logprob": -0.25,
    "no_speech_prob": 0.125,
    "compression_ratio": 1.5,
}


def checkpoint(**dims: Any) -> dict[str, Any]:
    """What a good file holds; sizes that do not belong to `dims` may be given."""
    shapes = {
        "encoder.conv1.weight": (64, 80, 3),
        "encoder.positional_embedding": (1500, 64),
        "encoder.blocks.1.mlp_ln.weight": (64,),
        "decoder.token_embedding.weight": (51865, 64),
        "decoder.positional_embedding": (32, 64),
        "decoder.blocks.1.mlp_ln.weight": (64,),
    }
    state = {name: SimpleNamespace(shape=shape) for name, shape in shapes.items()}
    return {"dims": {**DIMS, **dims}, "model_state_dict": state}


@dataclass
class FakeWhisper:
    """What the engines were asked, and what they answer.

    Attributes:
        loads: keyword arguments of each ``torch.load``.
        decodes: keyword arguments of each ``transcribe``.
        held: what ``torch.load`` gives, or raises.
        segments: what ``transcribe`` gives; an exception is raised.
    """

    loads: list[dict[str, Any]]
    decodes: list[dict[str, Any]]
    held: Any
    segments: Any
    multilingual: bool = True

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the fakes where the engines are imported from."""
        torch: Any = _module("torch")
        torch.__version__ = "0.0+fake"
        torch.load = self._load
        torch.set_num_threads = lambda count: None
        whisper: Any = _module("whisper")
        whisper.model = SimpleNamespace(ModelDimensions=SimpleNamespace, Whisper=self._model)
        whisper.tokenizer = SimpleNamespace(LANGUAGES={"en": "english", "de": "german"})
        whisper.audio = SimpleNamespace(
            N_SAMPLES=480_000,
            N_FRAMES=3000,
            log_mel_spectrogram=lambda samples, n_mels, padding, device: samples,
            pad_or_trim=lambda mel, length: mel,
        )
        monkeypatch.setitem(sys.modules, "torch", torch)
        monkeypatch.setitem(sys.modules, "whisper", whisper)

    def _load(self, path: Path, **asked: Any) -> Any:
        self.loads.append(asked)
        if isinstance(self.held, Exception):
            raise self.held
        return self.held

    def _model(self, dims: Any) -> Any:
        owner = self

        class Model:
            is_multilingual = owner.multilingual

            def load_state_dict(self, state: Any) -> None:
                if "decoder.ln" in state:
                    raise RuntimeError("Error(s) in loading state_dict: unexpected key\nmore")

            def to(self, device: str) -> Any:
                return self

            def eval(self) -> Any:
                return self

            def detect_language(self, mel: Any) -> Any:
                return None, {"en": 0.25, "de": 0.75}

            def transcribe(self, samples: Any, **asked: Any) -> Any:
                owner.decodes.append(asked)
                if isinstance(owner.segments, Exception):
                    raise owner.segments
                return {"text": "", "language": "", "segments": owner.segments}

        model = Model()
        model.dims = dims  # type: ignore[attr-defined]
        return model


def _module(name: str) -> ModuleType:
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    return module
