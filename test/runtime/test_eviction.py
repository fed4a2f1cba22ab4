"""One budget over all models of a process: who goes, who stays, who waits."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from fakes.scripted_backend import Hang
from helpers.scene import Scene, wait_until
from hypothesis import given
from hypothesis import strategies as st

from edge_mm_ros.params.runtime import RuntimeParams
from edge_mm_ros.runtime import BudgetExceeded
from edge_mm_ros.runtime.memory_budget import Holder, MemoryBudget, Need

MakeScene = Callable[..., Scene]
MEGA = 1_000_000


def three(**keys: Any) -> dict[str, dict[str, Any]]:
    return {name: {"memory_bytes": 4 * MEGA, **keys} for name in ("a", "b", "c")}


def loaded(scene: Scene) -> set[str]:
    return {status.name for status in scene.host.status() if status.loaded}


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    """Three models of 4 MB under a budget that holds two."""
    scene = make_scene(three(), memory_bytes=9 * MEGA, wait_s=0.0)
    scene.engine.sizes = dict.fromkeys("abc", 4 * MEGA)
    return scene


def test_the_least_recently_used_goes(scene: Scene) -> None:
    for name in "abac":
        scene.ask(name)
        scene.clock.advance(1.0)
    assert loaded(scene) == {"a", "c"}
    evicted = [change for change in scene.told if change.kind == "evicted"]
    assert [change.name for change in evicted] == ["b"]
    assert "another model needs the memory" in evicted[0].reason


def test_the_less_urgent_goes_before_the_less_recent(make_scene: MakeScene) -> None:
    models = three()
    models["b"]["priority"] = 10
    scene = make_scene(models, memory_bytes=9 * MEGA, wait_s=0.0)
    scene.engine.sizes = dict.fromkeys("abc", 4 * MEGA)
    for name in "abc":
        scene.ask(name)
        scene.clock.advance(1.0)
    assert loaded(scene) == {"a", "c"}


def test_a_leased_model_never_goes(scene: Scene) -> None:
    with scene.host.lease("a"):
        scene.clock.advance(1.0)
        scene.ask("b")
        scene.ask("c")
        assert loaded(scene) == {"a", "c"}


def test_a_load_waits_for_a_lease_to_end(make_scene: MakeScene) -> None:
    scene = make_scene(three(), memory_bytes=5 * MEGA, wait_s=20.0)
    scene.engine.sizes = dict.fromkeys("abc", 4 * MEGA)
    hang = Hang()
    scene.engine.on_run["gpu"] = hang
    holder = threading.Thread(target=scene.ask, args=("a",))
    holder.start()
    assert hang.entered.wait(10)
    del scene.engine.on_run["gpu"]
    waiting = threading.Thread(target=scene.ask, args=("b",))
    waiting.start()
    assert loaded(scene) == {"a"}
    hang.release.set()
    holder.join(10)
    waiting.join(10)
    wait_until(lambda: loaded(scene) == {"b"})


def test_a_wait_ends_with_the_list_of_who_holds_what(make_scene: MakeScene) -> None:
    scene = make_scene(three(), memory_bytes=5 * MEGA, wait_s=0.05)
    scene.engine.sizes = dict.fromkeys("abc", 4 * MEGA)
    with (
        scene.host.lease("a"),
        pytest.raises(BudgetExceeded, match=r"after 0.05 s of waiting; held by: a 4 MB \(in use\)"),
    ):
        scene.ask("b")


def test_a_model_larger_than_the_budget_fails_at_once(make_scene: MakeScene) -> None:
    scene = make_scene({"a": {"memory_bytes": 20 * MEGA}}, memory_bytes=9 * MEGA, wait_s=600.0)
    with pytest.raises(BudgetExceeded, match="needs 20 MB, which does not fit into 9 MB; held by"):
        scene.ask("a")


def test_the_measured_size_replaces_the_estimate(make_scene: MakeScene) -> None:
    scene = make_scene(three(memory_bytes=1 * MEGA), memory_bytes=9 * MEGA, wait_s=0.0)
    scene.engine.sizes = dict.fromkeys("abc", 4 * MEGA)
    for name in "abc":
        scene.ask(name)
        scene.clock.advance(1.0)
    assert loaded(scene) == {"b", "c"}  # by their estimates all three would fit
    scene.ask("a")
    assert loaded(scene) == {"a", "c"}


def test_swap_keeps_only_the_active_model(make_scene: MakeScene) -> None:
    scene = make_scene(three(), strategy="swap")
    for name in "abca":
        scene.ask(name)
        assert loaded(scene) == {name}


def test_what_the_machine_leaves_is_a_limit_too() -> None:
    budget = MemoryBudget(RuntimeParams(memory_bytes=100 * MEGA), available=lambda: 6 * MEGA)
    held = [holder("a", 4 * MEGA)]
    assert budget.limits(held) == (10 * MEGA, None)
    assert budget.plan(Need(6 * MEGA), held).fits
    plan = budget.plan(Need(7 * MEGA), held)
    assert (plan.fits, [each.name for each in plan.evict]) == (True, ["a"])
    assert budget.plan(Need(11 * MEGA), held).hopeless


def test_the_memory_of_a_device_is_counted_by_itself() -> None:
    budget = MemoryBudget(
        RuntimeParams(), available=lambda: 10**12, device_available=lambda device: 2 * MEGA
    )
    held = [
        holder("on_host", 50 * MEGA),
        holder("on_gpu", 1 * MEGA, device="cuda:0", device_bytes=3 * MEGA),
        holder("on_other", 1 * MEGA, device="cuda:1", device_bytes=3 * MEGA),
    ]
    assert budget.plan(Need(MEGA, "cuda:0", 2 * MEGA), held).evict == ()
    plan = budget.plan(Need(MEGA, "cuda:0", 4 * MEGA), held)
    assert (plan.fits, [each.name for each in plan.evict]) == (True, ["on_gpu"])
    assert budget.plan(Need(MEGA, "cuda:0", 6 * MEGA), held).hopeless


def test_spares_go_first() -> None:
    budget = MemoryBudget(RuntimeParams(memory_bytes=10 * MEGA), available=lambda: 10**12)
    held = [
        holder("idle", 4 * MEGA, priority=0),
        holder("spare", 4 * MEGA, priority=99, spare=True),
    ]
    assert [each.name for each in budget.plan(Need(4 * MEGA), held).evict] == ["spare"]


holders = st.lists(
    st.builds(
        lambda size, priority, used, leased: holder(
            "m", size, priority=priority, used_s=used, leased=leased
        ),
        st.integers(0, 10),
        st.integers(0, 3),
        st.floats(0, 100),
        st.booleans(),
    ),
    max_size=8,
)


@given(holders, st.integers(0, 30), st.integers(1, 40))
def test_a_plan_fits_frees_no_leased_model_and_no_more_than_needed(
    held: list[Holder], need: int, limit: int
) -> None:
    budget = MemoryBudget(RuntimeParams(memory_bytes=limit), available=lambda: 10**12)
    plan = budget.plan(Need(need), held)
    stay = [each for each in held if each not in plan.evict]
    assert not any(each.leased for each in plan.evict)
    if plan.hopeless:
        assert need > limit
    if plan.fits:
        assert need + sum(each.host_bytes for each in stay) <= limit
    if plan.evict:  # without the last of them it would not have been enough
        back = sum(each.host_bytes for each in [*stay, plan.evict[-1]])
        assert need + back > limit
    idle = [each for each in stay if not each.leased]
    for gone in plan.evict:
        assert all(gone.priority <= each.priority for each in idle if each.host_bytes)


def test_many_threads_under_a_small_budget_all_get_their_model(make_scene: MakeScene) -> None:
    scene = make_scene(three(), memory_bytes=9 * MEGA, wait_s=30.0)
    scene.engine.sizes = dict.fromkeys("abc", 4 * MEGA)
    answers: list[float] = []

    def work(seed: int) -> None:
        choice = random.Random(seed)
        for _ in range(25):
            answers.append(scene.ask(choice.choice("abc")))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == [1.0] * 100
    assert sum(status.memory_bytes for status in scene.host.status()) <= 9 * MEGA


def holder(name: str, host_bytes: int, **keys: Any) -> Holder:
    values = {"device": "", "device_bytes": 0, "priority": 0, "used_s": 0.0, "leased": False}
    return Holder(name, object(), host_bytes, **{**values, **keys})
