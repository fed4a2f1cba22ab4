"""A candidate that fails is passed over within the request, told, and comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise

import pytest
from fakes.scripted_backend import Hang, fails
from helpers.scene import Scene, wait_until

from edge_mm_ros.backends import BackendError, InputRefused

GPU, CPU = 1.0, 2.0
HASTY = {"detector": {"deadline_s": 0.05}}


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene(backoff_s=2.0, probation_s=3.0, probation_checks=3)


def test_a_failing_call_is_answered_by_the_next_candidate(scene: Scene) -> None:
    assert scene.ask() == GPU
    scene.engine.on_run["gpu"] = fails("device lost")
    assert scene.ask() == CPU
    assert scene.kinds() == ["loaded", "fallback"]
    change = scene.told[-1]
    assert (change.from_candidate, change.to_candidate) == ("fake:gpu", "fake:cpu")
    assert change.reason == "device lost"
    assert change.requests_lost == 0


def test_the_failed_candidate_is_closed_and_not_asked_again(scene: Scene) -> None:
    scene.ask()
    scene.engine.on_run["gpu"] = fails()
    scene.ask()
    assert scene.engine.loaded[0].closed
    scene.engine.calls.clear()
    assert [scene.ask(), scene.ask()] == [CPU, CPU]
    assert scene.engine.calls == ["cpu", "cpu"]


def test_any_exception_of_an_engine_counts_as_a_failure(scene: Scene) -> None:
    def step() -> None:
        raise RuntimeError("CUDA error 719")

    scene.ask()
    scene.engine.on_run["gpu"] = step
    assert scene.ask() == CPU
    assert "CUDA error 719" in scene.told[-1].reason


def test_an_input_that_does_not_fit_is_the_callers_fault(scene: Scene) -> None:
    def refuse() -> None:
        raise InputRefused("x must be float32")

    scene.ask()
    scene.engine.on_run["gpu"] = refuse
    with pytest.raises(InputRefused):
        scene.ask()
    del scene.engine.on_run["gpu"]
    assert scene.ask() == GPU
    assert scene.kinds() == ["loaded"]
    assert scene.host.status()[0].requests_lost == 0


def test_where_all_fail_the_request_is_lost_and_every_reason_is_named(scene: Scene) -> None:
    scene.ask()
    scene.engine.on_run = {"gpu": fails("no power"), "cpu": fails("no memory")}
    with pytest.raises(BackendError, match="fake:gpu: no power; fake:cpu: no memory"):
        scene.ask()
    status = scene.host.status()[0]
    assert (status.requests, status.requests_lost, status.failures) == (2, 1, 2)


def test_the_last_candidate_goes_on_after_a_passing_failure(scene: Scene) -> None:
    scene.ask()
    scene.engine.on_run = {"gpu": fails(), "cpu": fails()}
    with pytest.raises(BackendError):
        scene.ask()
    del scene.engine.on_run["cpu"]
    loaded = len(scene.engine.loaded)
    assert scene.ask() == CPU
    assert len(scene.engine.loaded) == loaded


def test_the_last_candidate_is_loaded_anew_where_it_keeps_failing(scene: Scene) -> None:
    scene.engine.unavailable["gpu"] = "no GPU"
    scene.ask()
    scene.engine.on_run["cpu"] = fails()
    for _ in range(3):
        with pytest.raises(BackendError):
            scene.ask()
    assert scene.engine.loaded[0].closed
    del scene.engine.on_run["cpu"]
    assert scene.ask() == CPU
    assert scene.told[-1].kind == "recovered"


def test_a_candidate_that_cannot_load_is_passed_over_and_told(scene: Scene) -> None:
    scene.engine.on_load["gpu"] = fails("out of memory")
    assert scene.ask() == CPU
    assert scene.told[-1].kind == "loaded"
    assert "out of memory" in scene.told[-1].reason
    assert scene.host.status()[0].failed == ("fake:gpu: out of memory",)


def test_a_candidate_that_fails_its_warm_up_does_not_serve(scene: Scene) -> None:
    scene.engine.on_warm_up["gpu"] = fails("output is not finite")
    assert scene.ask() == CPU
    assert scene.engine.loaded[0].closed
    assert "not finite" in scene.host.status()[0].failed[0]


def test_a_better_candidate_comes_back_only_after_it_stayed_well(scene: Scene) -> None:
    scene.ask()
    scene.engine.on_run["gpu"] = fails()
    scene.ask()
    del scene.engine.on_run["gpu"]
    scene.clock.advance(1.5)
    scene.host.maintain()
    assert len(scene.engine.loaded) == 2  # the backoff has not passed
    answers = []
    for _ in range(8):
        scene.clock.advance(1.0)
        scene.host.maintain()
        answers.append(scene.ask())
    assert answers == [CPU, CPU, CPU, GPU, GPU, GPU, GPU, GPU]
    assert scene.kinds() == ["loaded", "fallback", "recovered"]
    assert scene.host.status()[0].failed == ()


def test_a_failed_trial_is_repeated_ever_more_rarely(scene: Scene) -> None:
    scene.ask()
    scene.engine.on_run["gpu"] = fails()
    scene.ask()
    trials = []

    def trial() -> None:
        trials.append(scene.clock.now_s)
        raise BackendError("still dead")

    scene.engine.on_load["gpu"] = trial
    begin_s = scene.clock.now_s
    for _ in range(70):
        scene.clock.advance(1.0)
        scene.host.maintain()
    assert [at_s - begin_s for at_s in trials] == [2, 6, 14, 30, 62]
    assert scene.ask() == CPU
    assert scene.kinds() == ["loaded", "fallback"]


def test_a_candidate_that_comes_and_goes_is_trusted_ever_more_rarely(scene: Scene) -> None:
    """It passes every trial and fails every real call."""
    at_s: list[float] = []
    scene.host.add_listener(
        lambda change: at_s.append(scene.clock.now_s) if change.kind == "fallback" else None
    )
    scene.ask()
    scene.engine.on_run["gpu"] = fails()
    for _ in range(300):
        assert scene.ask() in {GPU, CPU}
        scene.clock.advance(1.0)
        scene.host.maintain()
    gaps_s = [later - earlier for earlier, later in pairwise(at_s)]
    assert len(gaps_s) >= 4
    assert all(later > 1.3 * earlier for earlier, later in pairwise(gaps_s))
    assert scene.host.status()[0].requests_lost == 0


def test_the_replaced_candidate_stands_by_for_a_while_and_then_goes(scene: Scene) -> None:
    scene.ask()
    scene.engine.on_run["gpu"] = fails()
    scene.ask()
    del scene.engine.on_run["gpu"]
    for _ in range(6):
        scene.clock.advance(1.0)
        scene.host.maintain()
    cpu = scene.engine.loaded[1]
    assert not cpu.closed
    scene.clock.advance(scene.host.settings.standby_s)
    scene.host.maintain()
    assert cpu.closed


def test_a_warm_standby_answers_without_a_load(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene({"detector": {"warm_standby": "true"}})
    scene.ask()
    scene.host.maintain()
    assert [model.device for model in scene.engine.loaded] == ["gpu", "cpu"]
    scene.engine.on_run["gpu"] = fails()
    assert scene.ask() == CPU
    assert len(scene.engine.loaded) == 2


def test_a_late_call_is_answered_by_the_next_and_told(
    make_scene: Callable[..., Scene],
) -> None:
    scene = make_scene(HASTY)
    hang = Hang()
    scene.ask()
    scene.engine.on_run["gpu"] = hang
    assert scene.ask() == CPU
    assert scene.kinds() == ["loaded", "late"]
    assert scene.told[-1].reason == "no answer within 0.05 s"
    del scene.engine.on_run["gpu"]
    hang.release.set()
    wait_until(lambda: not gpu_is_busy(scene))
    assert scene.ask() == GPU


def test_too_many_late_answers_open_the_candidate(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(HASTY, deadline_misses=3, deadline_window_s=60.0)
    scene.ask()
    for _ in range(3):
        hang = Hang()
        scene.engine.on_run["gpu"] = hang
        assert scene.ask() == CPU
        hang.release.set()
        wait_until(lambda: not gpu_is_busy(scene))
    del scene.engine.on_run["gpu"]
    assert scene.ask() == CPU
    assert scene.kinds() == ["loaded", "late", "late", "fallback"]
    assert "too many late answers" in scene.told[-1].reason


def test_late_answers_long_ago_do_not_count(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(HASTY, deadline_misses=2, deadline_window_s=60.0)
    scene.ask()
    for _ in range(2):
        hang = Hang()
        scene.engine.on_run["gpu"] = hang
        assert scene.ask() == CPU
        hang.release.set()
        wait_until(lambda: not gpu_is_busy(scene))
        scene.clock.advance(61.0)
    del scene.engine.on_run["gpu"]
    assert scene.ask() == GPU


def test_a_call_that_never_returns_is_told_and_its_candidate_passed_over(
    make_scene: Callable[..., Scene],
) -> None:
    scene = make_scene(HASTY)
    hang = Hang()
    scene.ask()
    scene.engine.on_run["gpu"] = hang
    assert scene.ask() == CPU
    wait_until(lambda: scene.host.maintain() or "hung" in scene.kinds())
    assert scene.host.status()[0].hung_calls == 1
    assert scene.ask() == CPU
    assert scene.kinds() == ["loaded", "late", "hung", "fallback"]
    assert scene.host.restart_wanted == ""
    hang.release.set()
    wait_until(lambda: scene.engine.loaded[0].closed)
    scene.host.maintain()
    assert scene.host.status()[0].hung_calls == 0


def test_a_second_hung_call_asks_for_a_restart(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(
        {"detector": {"deadline_s": 0.05, "chain": "[fake:gpu, fake:npu, fake:cpu]"}}
    )
    hangs = {"gpu": Hang(), "npu": Hang()}
    scene.ask()
    scene.engine.on_run.update(hangs)
    assert scene.ask() == CPU
    wait_until(lambda: scene.host.maintain() or scene.kinds().count("hung") == 2)
    assert "2 calls of engines do not return (detector)" in scene.host.restart_wanted
    assert scene.ask() == CPU
    for hang in hangs.values():
        hang.release.set()


def test_a_hung_engine_without_another_candidate_asks_for_a_restart(
    make_scene: Callable[..., Scene],
) -> None:
    scene = make_scene({"detector": {"deadline_s": 0.05, "chain": "[fake:gpu]"}})
    hang = Hang()
    scene.ask()
    scene.engine.on_run["gpu"] = hang
    with pytest.raises(BackendError, match="no answer within 0.05 s"):
        scene.ask()
    wait_until(lambda: scene.host.maintain() or "hung" in scene.kinds())
    assert "no other candidate is left" in scene.host.restart_wanted
    hang.release.set()


def test_a_load_that_takes_forever_is_left(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene({"detector": {"load_timeout_s": 0.05}})
    hang = Hang()
    scene.engine.on_load["gpu"] = hang
    assert scene.ask() == CPU
    assert "was not loaded within 0.05 s" in scene.host.status()[0].failed[0]
    hang.release.set()
    wait_until(
        lambda: [model.closed for model in scene.engine.loaded if model.device == "gpu"] == [True]
    )


def test_calls_from_many_threads_are_all_answered_while_the_engine_dies(scene: Scene) -> None:
    scene.ask()
    answers: list[float] = []
    start = threading.Barrier(8)

    def work(number: int) -> None:
        start.wait(10)
        for step in range(20):
            if number == 0 and step == 5:
                scene.engine.on_run["gpu"] = fails()
            answers.append(scene.ask())

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(answers) == 160
    assert scene.kinds() == ["loaded", "fallback"]


def test_a_device_that_is_gone_between_two_calls(scene: Scene) -> None:
    """It neither answers nor can be loaded again."""
    scene.ask()
    scene.engine.on_run["gpu"] = fails("no such device")
    scene.engine.on_load["gpu"] = fails("no such device")
    scene.engine.unavailable["gpu"] = "no such device"
    assert scene.ask() == CPU
    for _ in range(30):
        scene.clock.advance(1.0)
        scene.host.maintain()
    assert scene.ask() == CPU
    assert scene.kinds() == ["loaded", "fallback"]


def test_a_generation_falls_back_before_its_first_piece(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene({"writer": {"task": "generation"}})
    scene.host.preload("writer")
    scene.engine.on_run["gpu"] = fails()
    slot = scene.host._slot("writer")
    pieces = list(slot.stream(lambda model: model.generate([])))
    assert pieces == ["cpu:all", "cpu:is", "cpu:well"]


def test_a_generation_that_fails_half_way_says_so(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene({"writer": {"task": "generation"}})
    scene.host.preload("writer")
    steps = iter([lambda: None, fails("device lost")])
    scene.engine.on_run["gpu"] = lambda: next(steps)()
    stream = scene.host._slot("writer").stream(lambda model: model.generate([]))
    assert next(stream) == "gpu:all"
    with pytest.raises(BackendError, match="failed half-way on fake:gpu: device lost"):
        list(stream)
    assert scene.host.status()[0].requests_lost == 1


def gpu_is_busy(scene: Scene) -> bool:
    return bool(scene.host._slot("detector")._pool.overdue())
