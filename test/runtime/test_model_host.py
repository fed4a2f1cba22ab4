"""The model host: lazy, shared, with a fallback that is told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes.fake_backend import FakeBackend

from edge_mm_ros.backends import BackendRegistry
from edge_mm_ros.model_repository import ModelRepository, ModelUnavailable
from edge_mm_ros.runtime import ModelHost, ModelStatus, NoCandidate

MakeHost = Callable[..., tuple[ModelHost, list[ModelStatus]]]


@pytest.fixture
def make_host(tmp_path: Path) -> MakeHost:
    def make(backend: FakeBackend, chain: str = "[fake:gpu, fake:cpu]") -> tuple:
        (tmp_path / "weights.bin").write_bytes(b"weights")
        (tmp_path / "detector.yaml").write_text(
            f"name: detector\ntask: detection\npath: weights.bin\nchain: {chain}\n"
        )
        told: list[ModelStatus] = []
        host = ModelHost(ModelRepository([tmp_path]), BackendRegistry([backend]), told.append)
        return host, told

    return make


def test_nothing_is_loaded_before_the_first_lease(make_host: MakeHost) -> None:
    backend = FakeBackend()
    host, _ = make_host(backend)
    host.verify("detector")
    assert backend.loaded == []
    with host.lease("detector") as model:
        assert model is backend.loaded[0]


def test_leases_share_one_model(make_host: MakeHost) -> None:
    backend = FakeBackend()
    host, _ = make_host(backend)
    with host.lease("detector") as first, host.lease("detector") as second:
        assert first is second
        assert host.status()[0].leases == 2
    assert host.status()[0].leases == 0


def test_concurrent_first_leases_load_once(make_host: MakeHost) -> None:
    backend = FakeBackend()
    host, _ = make_host(backend)
    start = threading.Barrier(8)

    def lease() -> None:
        start.wait(10)
        with host.lease("detector"):
            pass

    threads = [threading.Thread(target=lease) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(backend.loaded) == 1


def test_the_best_candidate_is_taken(make_host: MakeHost) -> None:
    host, told = make_host(FakeBackend())
    with host.lease("detector") as model:
        assert model.device == "gpu"
    assert (told[0].device, told[0].unavailable, told[0].failed) == ("fake:gpu", (), ())


def test_a_candidate_that_is_not_there_is_passed_over_and_told(make_host: MakeHost) -> None:
    host, told = make_host(FakeBackend(unavailable={"gpu": "no GPU found"}))
    with host.lease("detector") as model:
        assert model.device == "cpu"
    assert told[0].unavailable == ("fake:gpu: no GPU found",)
    assert told[0].failed == ()


def test_a_candidate_that_fails_to_load_is_told_as_a_failure(make_host: MakeHost) -> None:
    host, told = make_host(FakeBackend(broken=("gpu",)))
    with host.lease("detector") as model:
        assert model.device == "cpu"
    assert len(told[0].failed) == 1
    assert "out of memory" in told[0].failed[0]


def test_where_no_candidate_runs_every_reason_is_named(make_host: MakeHost) -> None:
    host, _ = make_host(FakeBackend(unavailable={"gpu": "no GPU found"}, broken=("cpu",)))
    with pytest.raises(NoCandidate, match="no GPU found") as refused, host.lease("detector"):
        pass
    assert "cpu is out of memory" in str(refused.value)


def test_verify_refuses_a_model_that_nothing_here_can_run(make_host: MakeHost) -> None:
    host, _ = make_host(FakeBackend(), chain="[absent:cpu]")
    with pytest.raises(NoCandidate, match="unknown backend 'absent'"):
        host.verify("detector")


def test_verify_refuses_a_missing_file_and_works_after_it_is_put_right(
    make_host: MakeHost, tmp_path: Path
) -> None:
    host, _ = make_host(FakeBackend())
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ModelUnavailable, match=r"weights\.bin is missing"):
        host.verify("detector")
    (tmp_path / "weights.bin").write_bytes(b"weights")
    assert host.verify("detector").name == "detector"


def test_unload_closes_the_model_and_the_next_lease_loads_again(make_host: MakeHost) -> None:
    backend = FakeBackend()
    host, told = make_host(backend)
    host.preload("detector")
    assert backend.loaded[0].warm_ups == 1
    assert host.unload("detector")
    assert backend.loaded[0].closed
    assert not told[-1].loaded
    with host.lease("detector") as model:
        assert model is backend.loaded[1]


def test_a_leased_model_is_not_unloaded(make_host: MakeHost) -> None:
    backend = FakeBackend()
    host, _ = make_host(backend)
    with host.lease("detector"):
        assert not host.unload("detector", timeout_s=0.0)
        assert not backend.loaded[0].closed
    assert host.unload("detector", timeout_s=0.0)
