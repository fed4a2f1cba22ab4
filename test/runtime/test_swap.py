"""Another version takes over between two requests, or the old one goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from fakes.scripted_backend import Hang, fails, write_manifest
from helpers.scene import Scene

from edge_mm_ros.datatypes import EdgeMmError
from edge_mm_ros.model_repository import ModelUnavailable
from edge_mm_ros.runtime import SwapFailed

MakeScene = Callable[..., Scene]
MEGA = 1_000_000
GPU_ONLY = {"chain": "[fake:gpu]"}


@pytest.fixture
def scene(make_scene: MakeScene) -> Scene:
    return make_scene(
        {"detector": {**GPU_ONLY, "version": 1}, "newer": {"chain": "[fake:cpu]", "version": 2}}
    )


def test_the_new_version_answers_under_the_old_name(scene: Scene) -> None:
    assert scene.ask() == 1.0
    with scene.host.lease("detector") as model:
        before = model.identity
        scene.host.swap("detector", "newer")
        assert model.identity != before
    assert scene.ask() == 2.0
    assert scene.engine.closed == ["detector"]
    assert scene.host.status()[0].version == "2"
    assert scene.kinds() == ["loaded", "swapped"]


def test_a_request_that_runs_is_answered_by_the_old_one(scene: Scene) -> None:
    scene.ask()
    hang = Hang()
    scene.engine.on_run["gpu"] = hang
    answers: list[float] = []
    running = threading.Thread(target=lambda: answers.append(scene.ask()))
    running.start()
    assert hang.entered.wait(10)
    swapping = threading.Thread(target=lambda: scene.host.swap("detector", "newer"))
    swapping.start()
    hang.release.set()
    running.join(10)
    swapping.join(10)
    assert answers == [1.0]
    assert scene.ask() == 2.0
    assert scene.host.status()[0].requests_lost == 0


@pytest.mark.parametrize("fault", ["on_load", "on_warm_up"])
def test_where_the_new_one_fails_the_old_one_goes_on(scene: Scene, fault: str) -> None:
    scene.ask()
    getattr(scene.engine, fault)["cpu"] = fails("output is not finite")
    with pytest.raises(
        SwapFailed, match="newer 2 cannot take over: .*not finite.*detector 1 goes on"
    ):
        scene.host.swap("detector", "newer")
    assert scene.ask() == 1.0
    assert len(scene.engine.loaded) >= 1
    assert not scene.engine.loaded[0].closed
    assert scene.told[-1].kind == "swap_failed"
    assert "not finite" in scene.told[-1].reason


def test_a_model_for_another_task_is_refused(scene: Scene) -> None:
    scene.ask()
    write_manifest(scene.folder, "writer", task="generation")
    with pytest.raises(SwapFailed, match="it is for generation, detection is needed"):
        scene.host.swap("detector", "writer")


def test_an_unknown_model_is_refused_with_the_known_ones(scene: Scene) -> None:
    scene.ask()
    with pytest.raises(ModelUnavailable, match="there are: detector, newer"):
        scene.host.swap("detector", "absent")
    assert scene.ask() == 1.0


def tight(make_scene: MakeScene) -> Scene:
    scene = make_scene(
        {
            "detector": {**GPU_ONLY, "memory_bytes": 6 * MEGA},
            "newer": {"chain": "[fake:cpu]", "memory_bytes": 6 * MEGA},
        },
        memory_bytes=10 * MEGA,
        wait_s=0.0,
    )
    scene.engine.sizes = {"detector": 6 * MEGA, "newer": 6 * MEGA}
    return scene


def test_where_both_do_not_fit_the_old_one_goes_first(make_scene: MakeScene) -> None:
    scene = tight(make_scene)
    scene.ask()
    loads: list[bool] = []
    scene.engine.on_load["cpu"] = lambda: loads.append(scene.engine.loaded[0].closed)
    scene.host.swap("detector", "newer")
    assert loads == [True]
    assert scene.ask() == 2.0


def test_where_both_do_not_fit_and_the_new_one_fails_the_old_one_comes_back(
    make_scene: MakeScene,
) -> None:
    scene = tight(make_scene)
    scene.ask()
    scene.engine.on_load["cpu"] = fails("damaged")
    with pytest.raises(SwapFailed, match="damaged"):
        scene.host.swap("detector", "newer")
    assert scene.ask() == 1.0


def test_a_swap_never_costs_a_request(scene: Scene) -> None:
    scene.ask()
    answers: list[float] = []
    errors: list[EdgeMmError] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                answers.append(scene.ask())
            except EdgeMmError as error:
                errors.append(error)

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    for source in ["newer", "detector"] * 10:
        scene.host.swap("detector", source)
    stop.set()
    for thread in asking:
        thread.join(10)
    assert errors == []
    assert set(answers) <= {1.0, 2.0}
