"""What waits to be said."""

from __future__ import annotations

from fakes.speech_engines import S, utterance

from edge_mm_ros.pipelines.synthesis import SpeechQueue, Utterance


def queue_of(*waiting: Utterance, capacity: int = 10, max_wait_s: float = 30.0) -> SpeechQueue:
    queue = SpeechQueue(capacity, max_wait_s)
    for one in waiting:
        queue.put(one)
    return queue


def rest(queue: SpeechQueue, now_s: float = 0.0) -> list[str]:
    said = []
    while one := queue.take(round(now_s * S)):
        said.append(one.text)
    return said


def test_alarms_come_first_each_kind_in_its_order() -> None:
    queue = queue_of(
        utterance("s", "summary"),
        utterance("a1"),
        utterance("alarm 1", "alarm"),
        utterance("a2"),
        utterance("alarm 2", "alarm"),
    )
    assert rest(queue) == ["alarm 1", "alarm 2", "a1", "a2", "s"]


def test_of_summaries_the_newest_waits() -> None:
    queue = queue_of(utterance("old", "summary"), utterance("new", "summary"))
    assert rest(queue) == ["new"]
    assert queue.lost == {"replaced": 1}


def test_a_full_queue_gives_up_the_oldest_of_the_least_important() -> None:
    queue = queue_of(utterance("alarm 1", "alarm"), utterance("a1"), utterance("a2"), capacity=3)
    queue.put(utterance("alarm 2", "alarm"))
    assert queue.lost["full"] == 1
    queue.put(utterance("a3"))
    assert rest(queue) == ["alarm 1", "alarm 2", "a3"]


def test_an_alarm_never_goes_for_an_answer() -> None:
    queue = queue_of(*(utterance(f"alarm {i}", "alarm") for i in range(3)), capacity=3)
    queue.put(utterance("a"))
    assert rest(queue) == ["alarm 0", "alarm 1", "alarm 2"]
    assert queue.lost["full"] == 1


def test_what_waited_too_long_is_not_said() -> None:
    queue = queue_of(utterance("old", since_s=0.0), utterance("new", since_s=8.0), max_wait_s=5.0)
    assert rest(queue, 10.0) == ["new"]
    assert queue.lost["old"] == 1


def test_what_is_over_is_withdrawn() -> None:
    queue = queue_of(utterance("1", "alarm", key="fall-1"), utterance("2", "alarm", key="fall-2"))
    queue.withdraw("fall-1")
    assert rest(queue) == ["2"]


def test_what_was_cut_comes_before_its_equals() -> None:
    queue = queue_of(utterance("a2"), utterance("alarm", "alarm"))
    queue.put_back(utterance("a1"))
    assert rest(queue) == ["alarm", "a1", "a2"]
