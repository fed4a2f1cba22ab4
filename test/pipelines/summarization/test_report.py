"""Reports: what they tell, that nothing in them is markup, and that they are written whole."""

from __future__ import annotations

import errno
import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from fakes.happenings import START, S, event, fall, keyword, speech, stale

from edge_mm_ros.bench.language_logs import event_log
from edge_mm_ros.bench.language_speed import window_of
from edge_mm_ros.datatypes import SafetyLevel
from edge_mm_ros.pipelines.summarization import (
    Report,
    ReportBook,
    ReportNotWritten,
    Times,
    ungrounded,
    write_report,
)
from edge_mm_ros.pipelines.summarization import report as report_module
from edge_mm_ros.pipelines.summarization.report import MAX_ROWS, _summary, as_html, as_markdown
from edge_mm_ros.pipelines.summarization.report_picture import timeline_svg

HOUR = 3600 * S
EVIL = "<script>x</script> ![p](http://evil/x.png) | `a` [l](javascript:1) & $x$"


def book() -> ReportBook:
    found = ReportBook(100, START)
    for item in (event(), event(phase="ended", at_s=4.5), fall(), keyword(), stale()):
        found.add_event(item)
    found.add_transcript(speech())
    return found


def report() -> Report:
    return book().take(START + HOUR)


def test_a_report_is_due_after_its_time_and_what_goes_on_is_in_the_next_one() -> None:
    found = book()
    assert found.due(START + HOUR - 1, 1.0) is None
    first = found.due(START + HOUR, 1.0)
    assert first is not None
    assert len(first.window.incidents) == 4
    second = found.due(START + 2 * HOUR, 1.0)
    assert second is not None
    # The zone's condition has ended; the fall, the word's and the sensor's have not.
    assert {i.rule for i in second.window.incidents} == {
        "person_fallen",
        "spoken_alarm",
        "objects_stale",
    }
    assert second.window.transcripts == ()
    assert (second.window.start_ns, second.window.end_ns) == (START + HOUR, START + 2 * HOUR)


def test_a_clock_that_is_set_back_begins_the_time_anew() -> None:
    found = book()
    assert found.due(START - HOUR, 1.0) is None
    assert found.due(START, 1.0) is not None


def test_markdown_has_summary_table_and_picture() -> None:
    text = as_markdown(report())
    assert "2023-11-14 22:13:20 UTC to 2023-11-14 23:13:20 UTC" in text
    assert "![Timeline of the conditions](safety_report_20231114T231320Z.svg)" in text
    assert "| 22:13:21 | 3.5 s | danger | bay\\_intrusion | Person 3 is in zone 'bay', " in text
    assert "| 22:13:24 | goes on | danger | person\\_fallen | Person 7 has fallen" in text
    assert "At 22:13:24 UTC: person 7 has fallen" in text
    assert "Stop the robot, somebody fell down." in text


@pytest.mark.parametrize("seed", range(2, 300, 7))
def test_its_summary_tells_every_danger_and_passes_the_check_of_all_summaries(seed: int) -> None:
    log = event_log(seed)
    window = window_of(log)
    text = _summary(Report(window))
    assert ungrounded(text, window, Times("clock", window.start_ns)) == ()
    for event_ in log.events:
        if event_.level is SafetyLevel.DANGER:
            assert f"rule '{event_.rule}'" in text


def test_a_summary_that_fails_its_check_is_not_in_the_report(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(report_module, "write_template", lambda *_: "All is clear.")
    page = as_html(report())
    assert "All is clear" not in page
    assert "No summary passed its check" in page
    assert "person_fallen" in page  # the table has it


def test_the_page_has_the_same_and_its_picture_is_inside() -> None:
    page = as_html(report())
    assert "<td>3.5 s</td><td>danger</td><td>bay_intrusion</td>" in page
    assert page.count("<svg") == 1
    assert "src=" not in page
    assert "href=" not in page


def test_the_picture_has_a_row_for_each_rule_and_a_bar_for_each_condition() -> None:
    root = ElementTree.fromstring(timeline_svg(report().window))
    space = "{http://www.w3.org/2000/svg}"
    assert len(root.findall(f"{space}rect")) == 4
    texts = [node.text for node in root.findall(f"{space}text")]
    for rule in ("bay_intrusion", "person_fallen", "spoken_alarm", "objects_stale"):
        assert rule in texts
    assert "22:13:20" in texts
    assert "23:13:20" in texts


def test_nothing_foreign_is_markup() -> None:
    found = ReportBook(10, START)
    found.add_event(event(message=EVIL, rule=EVIL, label=EVIL, sensor=EVIL))
    found.add_transcript(speech(EVIL))
    evil = found.take(START + HOUR)
    page, text = as_html(evil), as_markdown(evil)
    assert "<script>" not in page
    ElementTree.fromstring(timeline_svg(evil.window))
    assert "<script>" not in text.replace("\\<", "")
    assert "![p]" not in text.replace("\\!", "")
    rows = [line for line in text.splitlines() if line.startswith("| 22:")]
    assert len(rows) == 1
    assert rows[0].replace("\\|", "").count("|") == 8


def test_what_is_too_much_is_counted() -> None:
    found = ReportBook(MAX_ROWS + 50, START)
    for number in range(MAX_ROWS + 100):
        found.add_event(event(f"e-{number}", rule=f"r{number}"))
    text = as_markdown(found.take(START + HOUR))
    assert f"The table has the first {MAX_ROWS} conditions; 50 more are not." in text
    assert "50 older events or utterances of this time were too many to be kept" in text


def test_an_empty_report_says_so() -> None:
    empty = ReportBook(10, START).take(START + HOUR)
    assert "No safety event was recorded." in as_markdown(empty)
    ElementTree.fromstring(timeline_svg(empty.window))


def test_three_files_are_written_and_can_be_read_by_all(tmp_path: Path) -> None:
    files = write_report(report(), tmp_path / "new" / "folder")
    assert [file.suffix for file in files] == [".svg", ".html", ".md"]
    assert sorted(os.listdir(tmp_path / "new" / "folder")) == sorted(f.name for f in files)
    assert all(file.stat().st_mode & 0o777 == 0o644 for file in files)


def test_a_full_disk_is_named_and_leaves_no_piece_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ReportNotWritten, match="No space left on device.*free space there"):
        write_report(report(), tmp_path)
    assert list(tmp_path.iterdir()) == []
