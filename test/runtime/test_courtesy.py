"""A generation makes way for a detection."""

from __future__ import annotations

import threading

from edge_mm_ros.runtime.courtesy import Courtesy

LONG_S = 30.0


def test_nobody_waits_where_nothing_more_urgent_runs() -> None:
    courtesy = Courtesy(pause_s=LONG_S)
    courtesy.begin(0)
    courtesy.make_way(0)
    courtesy.make_way(30)
    courtesy.end(0)


def test_the_less_urgent_waits_until_the_urgent_is_done() -> None:
    courtesy = Courtesy(pause_s=LONG_S)
    begun, done = threading.Event(), threading.Event()

    def step() -> None:
        begun.set()
        courtesy.make_way(0)
        done.set()

    courtesy.begin(30)
    waiting = threading.Thread(target=step)
    waiting.start()
    assert begun.wait(10)
    assert not done.wait(0.05)
    courtesy.end(30)
    assert done.wait(10)
    waiting.join(10)


def test_no_pause_is_longer_than_the_longest() -> None:
    courtesy = Courtesy(pause_s=0.01)
    courtesy.begin(30)
    courtesy.make_way(0)
