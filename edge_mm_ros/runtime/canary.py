"""What a model must show before it serves."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge_mm_ros.backends import BackendError, LoadedModel, ModelArtifact, TensorModel
from edge_mm_ros.backends.tensor_checks import refuse_other_inputs
from edge_mm_ros.model_repository import ModelManifest

_INPUT = "input:"
_OUTPUT = "output:"


class CanaryFailed(BackendError):
    """A model that was loaded does not do what its manifest says."""


class CanaryCheck:
    """Checks a loaded model against its manifest.

    The declared inputs must be there. On a synthetic input it must run, with outputs that are
    finite and shaped as it declares; on the golden inputs it must give the golden outputs.
    """

    def __init__(
        self, artifact: ModelArtifact, manifest: ModelManifest, golden_file: Path | None
    ) -> None:
        """Read the golden values.

        Raises:
            CanaryFailed: the file holds no plain arrays of the expected names.
        """
        self._artifact = artifact
        self._manifest = manifest
        self._golden = {} if golden_file is None else _read_golden(golden_file)

    def __call__(self, model: LoadedModel) -> None:
        """Check it.

        Raises:
            CanaryFailed: it is not what the manifest says.
            BackendError: it cannot run.
        """
        if isinstance(model, TensorModel):
            refuse_other_inputs(self._artifact, model.inputs)
        model.warm_up()
        if isinstance(model, TensorModel) and self._golden:
            self._check_golden(model)

    def _check_golden(self, model: TensorModel) -> None:
        canary = self._manifest.canary
        assert canary is not None
        feeds = {
            name.removeprefix(_INPUT): value
            for name, value in self._golden.items()
            if name.startswith(_INPUT)
        }
        outputs = model.run(feeds)
        for name, golden in self._golden.items():
            if not name.startswith(_OUTPUT):
                continue
            output = outputs.get(name.removeprefix(_OUTPUT))
            if output is None or output.shape != golden.shape:
                got = "no such output" if output is None else f"shape {output.shape}"
                raise CanaryFailed(
                    f"model '{self._manifest.name}': {name} should have shape {golden.shape}, got "
                    f"{got}"
                )
            if not np.allclose(output, golden, rtol=canary.rtol, atol=canary.atol):
                worst = float(np.max(np.abs(output.astype(float) - golden.astype(float))))
                raise CanaryFailed(
                    f"model '{self._manifest.name}': {name} differs from its golden value by up to "
                    f"{worst:.3g} (rtol {canary.rtol:g}, atol {canary.atol:g})"
                )


def _read_golden(file: Path) -> Mapping[str, NDArray[Any]]:
    try:
        archive = np.load(file, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("a single array")
        with archive:
            golden = {name: np.asarray(archive[name]) for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise CanaryFailed(
            f"{file} holds no plain arrays ({error}); write it with numpy.savez, from arrays of "
            "numbers only"
        ) from error
    kinds = {name.partition(":")[0] + ":" for name in golden}
    if kinds != {_INPUT, _OUTPUT}:
        raise CanaryFailed(
            f"{file} must hold arrays named input:NAME and output:NAME, it has "
            f"{', '.join(sorted(golden)) or 'none'}"
        )
    return golden
