"""Tensors from and to the bytes of the protocol."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from edge_mm_ros.backends.kserve_tensors import (
    decode,
    decode_values,
    encode,
    fits,
    spec_of,
    type_name,
)

TYPES = {
    "BOOL": np.bool_,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}


@given(
    st.sampled_from(sorted(TYPES)).flatmap(
        lambda name: st.tuples(
            st.just(name),
            arrays.arrays(TYPES[name], arrays.array_shapes(min_dims=0, min_side=0, max_dims=4)),
        )
    )
)
def test_every_array_comes_back_as_it_went(named: tuple[str, Any]) -> None:
    name, array = named
    assert type_name(array.dtype) == name
    back = decode("t", name, list(array.shape), bytes(encode(array)))
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()
    assert back.flags.writeable


def test_the_bytes_are_little_endian_and_row_major() -> None:
    array = np.array([[1.5, -2.0], [3.0, 4.0]], dtype=np.float32)
    assert bytes(encode(array)) == struct.pack("<4f", 1.5, -2.0, 3.0, 4.0)
    assert bytes(encode(array.T)) == struct.pack("<4f", 1.5, 3.0, -2.0, 4.0)
    big = array.astype(">f4")
    assert bytes(encode(big)) == bytes(encode(array))


@pytest.mark.parametrize(
    ("description", "reason"),
    [
        (("t", "FP32", [2, 2], bytes(15)), "15 bytes, 16 are FP32"),
        (("t", "FP32", [2, 2], bytes(20)), "20 bytes, 16 are FP32"),
        (("t", "FP32", [-1], bytes(4)), "shape"),
        (("t", "FP32", [2**62, 2**62], b""), "0 bytes"),
        (("t", "FP32", "44", bytes(16)), "shape"),
        (("t", "FP32", None, bytes(16)), "shape"),
        (("t", "FP32", [1.5], bytes(4)), "shape"),
        (("t", "FP32", [True], bytes(4)), "shape"),
        (("t", "BYTES", [1], bytes(4)), "only tensors of numbers"),
        (("t", "BF16", [2], bytes(4)), "only tensors of numbers"),
        (("t", ["FP32"], [1], bytes(4)), "only tensors of numbers"),
        (("", "FP32", [1], bytes(4)), "name"),
        ((7, "FP32", [1], bytes(4)), "name"),
        (("t", "BOOL", [2], b"\x00\x02"), "neither true nor false"),
    ],
)
def test_bytes_that_do_not_agree_are_refused(description: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode(*description)


def test_plain_numbers_are_taken_flat_and_nested() -> None:
    assert decode_values("t", "FP32", [2, 1], [1, 2.5]).tolist() == [[1.0], [2.5]]
    assert decode_values("t", "INT8", [1, 2], [[1, -2]]).tolist() == [[1, -2]]
    assert decode_values("t", "BOOL", [1], [True]).tolist() == [True]
    assert decode_values("t", "FP32", [0], []).shape == (0,)


@pytest.mark.parametrize(
    ("datatype", "shape", "values"),
    [
        ("FP32", [2], [1]),
        ("FP32", [2], ["1", "2"]),
        ("FP32", [2], None),
        ("FP32", [2], {"a": 1}),
        ("FP32", [2], [[1], [1, 2]]),
        ("INT8", [1], [300]),
        ("INT64", [1], [1.5]),
        ("UINT8", [1], [-1]),
        ("INT64", [1], [2**70]),
        ("INT32", [1], [math.nan]),
    ],
)
def test_values_that_are_not_of_the_type_are_refused(
    datatype: str, shape: list[int], values: Any
) -> None:
    with pytest.raises(ValueError, match="'t'"):
        decode_values("t", datatype, shape, values)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=4),
    max_leaves=6,
)


@given(
    name=JSON,
    datatype=st.sampled_from(sorted(TYPES)) | JSON,
    shape=JSON | st.lists(st.integers(-2, 4), max_size=3),
    values=JSON,
    raw=st.binary(max_size=40),
)
def test_no_description_does_more_than_fail(
    name: Any, datatype: Any, shape: Any, values: Any, raw: bytes
) -> None:
    for call, content in ((decode, raw), (decode_values, values)):
        try:
            array = call(name, datatype, shape, content)
        except ValueError:
            continue
        assert array.dtype == TYPES[datatype]
        assert list(array.shape) == list(shape)


def test_a_size_of_minus_one_is_open() -> None:
    assert spec_of("x", "FP16", [-1, 3]).shape == (None, 3)
    assert fits((None, 3), (7, 3))
    assert not fits((None, 3), (7, 4))
    assert not fits((None, 3), (3,))
