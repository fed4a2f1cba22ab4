"""Stamps for unstamped sound, and a wrong rate that shows in how fast it comes."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from edge_mm_ros.datatypes import InvalidInput
from edge_mm_ros.pipelines.transcription import ReceptionStamps

S = 1_000_000_000
CHUNK_NS = S // 10


def test_stamps_run_on_with_the_sound_although_arrival_jitters() -> None:
    stamps, jitter = ReceptionStamps(), random.Random(1)
    given = [
        stamps.stamp(n * CHUNK_NS + jitter.randrange(CHUNK_NS), CHUNK_NS) for n in range(1, 200)
    ]
    steps = [later - earlier for earlier, later in pairwise(given)]
    assert max(abs(step - CHUNK_NS) for step in steps) < 5_000_000


@pytest.mark.parametrize("declared_over_true", [0.33, 0.5, 2.0, 3.0])
def test_a_wrong_rate_is_named_and_stays_refused(declared_over_true: float) -> None:
    stamps = ReceptionStamps()
    duration_ns = round(CHUNK_NS / declared_over_true)
    for n in range(20):  # too few to tell
        stamps.stamp(n * CHUNK_NS, duration_ns)
    for n in range(20, 300):
        with pytest.raises(InvalidInput, match="correct the sample rate"):
            stamps.stamp(n * CHUNK_NS, duration_ns)


def test_a_right_rate_is_heard_again() -> None:
    stamps, now_ns = ReceptionStamps(), 0
    for duration_ns in [CHUNK_NS // 2] * 40 + [CHUNK_NS] * 40:
        now_ns += CHUNK_NS
        try:
            last_ns = stamps.stamp(now_ns, duration_ns)
        except InvalidInput:
            continue
    assert last_ns == pytest.approx(now_ns - CHUNK_NS, abs=0.2 * S)
