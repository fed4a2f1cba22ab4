"""The scenarios about memory: their arithmetic, and a short run on the real models."""

from __future__ import annotations

from fakes.real_models import needs

from edge_mm_ros.bench import leak, swap
from edge_mm_ros.bench.material import VOICE_DETECTOR
from edge_mm_ros.bench.memory import MemoryWatch

MB = 1_000_000


def tally(**changes: object) -> swap.Tally:
    values: dict[str, object] = {
        "budget_bytes": 300 * MB,
        "highest_bytes": 329 * MB,
        "hits": 5,
        "loads": [1] * 5,
    }
    return swap.Tally(**(values | changes))  # type: ignore[arg-type]


def missed(outcome: swap.Tally) -> list[str]:
    return [bar.name for bar in swap.result(outcome, leases=10).bars if not bar.ok]


def test_each_promise_about_swapping_can_be_broken() -> None:
    assert missed(tally()) == []
    assert missed(tally(highest_bytes=331 * MB)) == ["largest size"]
    assert missed(tally(loads=[1, 1, 2, 1, 1])) == ["loads at one miss"]
    assert missed(tally(loads_without_miss=1)) == ["loads without a miss"]
    assert missed(tally(refused=["no memory"])) == ["leases that were answered"]
    assert missed(tally(hits=10, loads=[])) == ["misses"]


def test_growth_is_counted_from_the_fifth_round() -> None:
    settling = [100.0, 200.0, 300.0, 300.0, 300.0]
    fine = leak.result({"m": settling + [320.0] * 15})
    grown = leak.result({"m": settling + [321.0] * 15})
    large = leak.result({"m": [1000.0] * 5 + [1050.0] * 15})
    assert fine.ok
    assert large.ok  # 5 % of a large process
    assert [bar.name for bar in grown.bars if not bar.ok] == ["m: growth from round 5 to 20"]


def test_too_few_rounds_prove_nothing() -> None:
    assert not leak.result({"m": [100.0] * 19}).ok


def test_a_small_model_is_loaded_twenty_times() -> None:
    needs("onnxruntime", "faster_whisper", "rclpy")
    outcome = leak.run(rounds=20, models=(VOICE_DETECTOR,))
    assert outcome.measures[0].count == 20
    assert outcome.measures[0].median > 10  # megabytes of a whole process


def test_the_watch_sees_memory_that_is_gone_again() -> None:
    with MemoryWatch() as watch:
        before = watch.look()
        block = bytearray(b"x") * (64 * MB)
        watch.look()
        del block
        watch.look()
    assert watch.highest_bytes >= before + 60 * MB
