"""The scenario of a failing engine: its arithmetic, and a short run on the real engine."""

from __future__ import annotations

import pytest
from fakes.real_models import needs

from edge_mm_ros.backends import BackendError
from edge_mm_ros.bench import fallback
from edge_mm_ros.bench.failing_backend import Orders
from edge_mm_ros.bench.fallback import Incident, result


def incident(**changes: object) -> Incident:
    """Raises at 10.0 s; the warm next one answers at 10.14 s, of which it computes 0.1 s."""
    told = [(10.04, "fallback"), (15.0, "recovered")]
    values: dict[str, object] = {
        "trouble": "raises",
        "warm": True,
        "requests": 300,
        "known_s": 10.0,
        "answered_s": 10.14,
        "changes": told,
        "own_s": 0.1,
    }
    return Incident(**(values | changes))  # type: ignore[arg-type]


def missed(outcome: Incident) -> list[str]:
    """Names of the missed bars without that of the incident."""
    bars = result([outcome], 300).bars
    return [bar.name.removeprefix(f"{outcome.name}: ") for bar in bars if not bar.ok]


def test_the_inference_itself_is_not_counted_against_the_takeover() -> None:
    assert incident().takeover_ms == pytest.approx(40.0)
    assert missed(incident()) == []


def test_each_promise_about_fallback_can_be_broken() -> None:
    late = (11.1, "fallback")
    back = (15.0, "recovered")
    assert missed(incident(answered_s=10.16)) == ["takeover, without the inference"]
    assert missed(incident(unanswered=["x"])) == ["requests answered"]
    assert missed(incident(changes=[late, back])) == ["diagnosis"]
    assert missed(incident(changes=[back])) == ["diagnosis", "fallback"]
    assert missed(incident(requests=200)) == ["requests"]
    twice = [*incident().changes, *incident().changes]
    assert missed(incident(changes=twice)) == [
        "fallback, not more than once",
        "recovered, not more than once",
    ]


def test_a_load_is_granted_its_own_time() -> None:
    cold = {"warm": False, "load_s": 0.5}
    assert missed(incident(**cold, answered_s=10.64)) == []
    assert missed(incident(**cold, answered_s=10.66)) == ["takeover, without the inference"]


def test_an_engine_obeys_until_it_is_mended() -> None:
    orders = Orders()
    assert orders.obey("run", lambda: 1) == 1
    orders.fail("raises")
    with pytest.raises(BackendError):
        orders.obey("run", lambda: 1)
    assert orders.failed_s is not None
    orders.mend()
    assert orders.obey("run", lambda: 2) == 2
    assert [deed.what for deed in orders.deeds] == ["run", "run"]


def test_a_real_engine_that_raises_is_replaced_and_returns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needs("onnxruntime", "fall_detection", "rclpy")
    monkeypatch.setattr(fallback, "REQUESTS_AFTER_RETURN", 2)
    monkeypatch.setattr(fallback, "DEADLINE_S", 60.0)  # a busy machine is no incident
    quick = fallback.RuntimeParams(backoff_s=0.05, probation_s=0.1, probation_checks=1)
    monkeypatch.setattr(fallback, "SETTINGS", quick)
    happened = Incident("raises", warm=True)
    fallback.let_it_fail(happened, requests=4, fails_at=1, mended_at=2)
    assert happened.unanswered == []
    assert (happened.count("fallback"), happened.count("recovered")) == (1, 1)
    assert happened.own_s > 0
