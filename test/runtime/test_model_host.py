"""The model host: lazy, shared, loaded once, given back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fakes.scripted_backend import ScriptedBackend, fails, write_manifest
from helpers.scene import Scene, wait_until

from edge_mm_ros.backends import BackendRegistry, TensorModel
from edge_mm_ros.model_repository import ModelRepository, ModelUnavailable
from edge_mm_ros.params.runtime import RuntimeParams
from edge_mm_ros.runtime import BudgetExceeded, ModelHost, NoCandidate

MakeScene = Callable[..., Scene]


def test_nothing_is_loaded_before_the_first_lease(make_scene: MakeScene) -> None:
    scene = make_scene()
    scene.host.verify("detector")
    assert scene.engine.loaded == []
    assert scene.ask() == 1.0
    assert [model.device for model in scene.engine.loaded] == ["gpu"]


def test_a_lease_has_the_protocol_of_its_model(make_scene: MakeScene) -> None:
    scene = make_scene()
    with scene.host.lease("detector") as model:
        assert isinstance(model, TensorModel)
        assert model.device == "gpu"
        assert model.inputs[0].name == "x"


def test_leases_share_one_model(make_scene: MakeScene) -> None:
    scene = make_scene()
    with scene.host.lease("detector") as first, scene.host.lease("detector") as second:
        assert first.identity == second.identity
        assert scene.host.status()[0].leases == 2
    assert scene.host.status()[0].leases == 0
    assert len(scene.engine.loaded) == 1


def test_concurrent_first_leases_load_once(make_scene: MakeScene) -> None:
    scene = make_scene()
    start = threading.Barrier(8)

    def lease() -> None:
        start.wait(10)
        scene.host.preload("detector")

    threads = [threading.Thread(target=lease) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(scene.engine.loaded) == 1


def test_a_candidate_that_is_not_there_is_passed_over_and_told(make_scene: MakeScene) -> None:
    scene = make_scene()
    scene.engine.unavailable["gpu"] = "no GPU found"
    assert scene.ask() == 2.0
    status = scene.host.status()[0]
    assert (status.device, status.unavailable) == ("fake:cpu", ("fake:gpu: no GPU found",))
    assert status.failed == ()


def test_where_no_candidate_runs_every_reason_is_named(make_scene: MakeScene) -> None:
    scene = make_scene()
    scene.engine.unavailable["gpu"] = "no GPU found"
    scene.engine.on_load["cpu"] = fails("out of memory")
    with pytest.raises(NoCandidate, match="fake:gpu: no GPU found; fake:cpu: out of memory") as no:
        scene.ask()
    assert "put a good file there" in str(no.value)


def test_verify_refuses_a_chain_with_an_unknown_backend(make_scene: MakeScene) -> None:
    scene = make_scene({"detector": {"chain": "[absent:cpu]"}})
    with pytest.raises(NoCandidate, match="unknown backend 'absent'; installed backends: fake"):
        scene.host.verify("detector")


def test_verify_refuses_a_missing_file_and_works_after_it_is_put_right(
    make_scene: MakeScene,
) -> None:
    scene = make_scene()
    weights = scene.folder / "detector.bin"
    weights.unlink()
    with pytest.raises(ModelUnavailable, match=r"detector\.bin is missing"):
        scene.host.verify("detector")
    weights.write_bytes(b"weights")
    assert scene.host.verify("detector").name == "detector"


def test_verify_refuses_a_model_larger_than_the_budget(make_scene: MakeScene) -> None:
    scene = make_scene({"detector": {"memory_bytes": 3_000_000}}, memory_bytes=2_000_000)
    with pytest.raises(NoCandidate, match="needs 3 MB, which does not fit into 2 MB"):
        scene.host.verify("detector")


def test_candidates_tells_each_reason(make_scene: MakeScene) -> None:
    scene = make_scene()
    scene.engine.unavailable["gpu"] = "no GPU found"
    assert scene.host.candidates("detector") == {"fake:gpu": "no GPU found", "fake:cpu": ""}


def test_unload_closes_the_model_and_the_next_lease_loads_again(make_scene: MakeScene) -> None:
    scene = make_scene()
    scene.host.preload("detector")
    assert scene.host.unload("detector")
    assert scene.engine.loaded[0].closed
    assert not scene.host.status()[0].loaded
    assert scene.ask() == 1.0
    assert scene.kinds() == ["loaded", "unloaded", "loaded"]


def test_a_leased_model_is_not_unloaded(make_scene: MakeScene) -> None:
    scene = make_scene()
    with scene.host.lease("detector"):
        assert not scene.host.unload("detector", timeout_s=0.0)
        assert not scene.engine.loaded[0].closed
    assert scene.host.unload("detector", timeout_s=0.0)


def test_unload_of_a_model_that_nobody_asked_for_is_nothing(make_scene: MakeScene) -> None:
    assert make_scene().host.unload("detector")


def test_the_last_user_of_a_model_unloads_it(make_scene: MakeScene) -> None:
    scene = make_scene()
    scene.host.retain("detector")
    scene.host.retain("detector")
    scene.ask()
    scene.host.release("detector")
    assert not scene.engine.loaded[0].closed
    scene.host.release("detector")
    assert scene.engine.loaded[0].closed


def test_an_idle_model_is_unloaded_after_its_keep_alive(make_scene: MakeScene) -> None:
    scene = make_scene({"detector": {"keep_alive_s": 60}})
    scene.ask()
    scene.clock.advance(59.0)
    scene.host.maintain()
    assert scene.host.status()[0].loaded
    scene.ask()
    scene.clock.advance(59.0)
    scene.host.maintain()
    assert scene.host.status()[0].loaded
    scene.clock.advance(1.0)
    scene.host.maintain()
    assert not scene.host.status()[0].loaded
    assert scene.told[-1].reason == "idle for 60 s"


def test_a_leased_model_is_never_idle(make_scene: MakeScene) -> None:
    scene = make_scene({"detector": {"keep_alive_s": 60}})
    with scene.host.lease("detector"):
        scene.clock.advance(1000.0)
        scene.host.maintain()
        assert scene.host.status()[0].loaded


def test_a_manifest_that_was_mended_is_read_again(make_scene: MakeScene) -> None:
    scene = make_scene({"detector": {"chain": "[absent:cpu]"}})
    with pytest.raises(NoCandidate):
        scene.ask()
    write_manifest(scene.folder, "detector")
    assert scene.ask() == 1.0


def test_the_status_counts_calls(make_scene: MakeScene) -> None:
    scene = make_scene({"detector": {"version": "7"}})
    for _ in range(5):
        scene.ask()
    status = scene.host.status()[0]
    assert (status.requests, status.requests_lost, status.rate_hz) == (5, 0, 0.5)
    assert (status.version, status.priority, status.p50_ms) == ("7", 30, 0.0)
    assert status.memory_bytes == 1_000


def test_a_listener_that_fails_costs_nobody_an_answer(make_scene: MakeScene) -> None:
    scene = make_scene()

    def broken(_: object) -> None:
        raise RuntimeError("a bug")

    scene.host.add_listener(broken)
    assert scene.ask() == 1.0
    scene.host.remove_listener(broken)
    scene.host.remove_listener(scene.told.append)


def test_no_thread_is_left_after_an_unload(make_scene: MakeScene) -> None:
    scene = make_scene()
    before = threading.active_count()
    scene.ask()
    assert threading.active_count() == before + 1
    scene.host.unload("detector")
    assert threading.active_count() == before


def test_the_background_thread_lives_only_while_something_is_due(tmp_path: Path) -> None:
    write_manifest(tmp_path, "detector")
    engine = ScriptedBackend()
    settings = RuntimeParams(
        backoff_s=0.02, probation_s=0.02, probation_checks=2, standby_s=0.02, max_backoff_s=1.0
    )
    host = ModelHost(ModelRepository([tmp_path]), BackendRegistry([engine]), settings)
    kinds: list[str] = []
    host.add_listener(lambda change: kinds.append(change.kind))
    feeds = {"x": np.zeros(1, np.float32)}
    before = threading.active_count()
    with host.lease("detector") as model:
        model.run(feeds)
        assert threading.active_count() == before + 1
        engine.on_run["gpu"] = fails()
        model.run(feeds)
    del engine.on_run["gpu"]
    wait_until(lambda: "recovered" in kinds)
    wait_until(lambda: threading.active_count() == before + 1)
    host.close()
    assert threading.active_count() == before


def test_a_budget_error_names_who_holds_what(make_scene: MakeScene) -> None:
    scene = make_scene(
        {"big": {"memory_bytes": 6_000_000}, "small": {"memory_bytes": 5_000_000}},
        memory_bytes=10_000_000,
        wait_s=0.0,
    )
    scene.engine.sizes = {"big": 6_000_000}
    with scene.host.lease("big"), pytest.raises(BudgetExceeded) as refused:
        scene.ask("small")
    said = str(refused.value)
    assert "model 'small' needs 5 MB, which does not fit into 10 MB" in said
    assert "held by: big 6 MB (in use)" in said
    assert "raise the budget" in said
