"""What the system tells of pressure: real files of real systems, and none at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_mm_ros.runtime.pressure import LatencyGauge, Reading, SystemPressure

MEMINFO = "MemTotal:       16000 kB\nMemFree:         1000 kB\nMemAvailable:    4000 kB\n"
PSI = (
    "some avg10=12.50 avg60=3.00 avg300=0.10 total=99\n"
    "full avg10=1.00 avg60=0.00 avg300=0.00 total=1\n"
)


def put(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def readings(system: SystemPressure) -> dict[str, Reading]:
    return {reading.source: reading for reading in system.read()}


def test_what_is_not_there_is_not_readable_and_says_why(tmp_path: Path) -> None:
    found = readings(SystemPressure(tmp_path))
    assert set(found) == {"memory", "memory_stall", "temperature", "power_cap", "throttling"}
    for reading in found.values():
        assert reading.value is None
        assert str(reading).startswith("not readable: ")
        assert reading.detail


def test_files_that_hold_something_else_are_not_readable(tmp_path: Path) -> None:
    for name in (
        "proc/meminfo",
        "proc/pressure/memory",
        "proc/self/cgroup",
        "sys/class/thermal/thermal_zone0/temp",
        "sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq",
        "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count",
    ):
        put(tmp_path, name, "4::nonsense" if name.endswith("cgroup") else "nonsense\n")
    assert all(reading.value is None for reading in SystemPressure(tmp_path).read())


def test_memory_is_that_of_the_machine_or_of_the_group_that_is_fuller(tmp_path: Path) -> None:
    put(tmp_path, "proc/meminfo", MEMINFO)
    memory = readings(SystemPressure(tmp_path))["memory"]
    assert (memory.value, memory.detail) == (pytest.approx(75), "of the machine")
    group = "sys/fs/cgroup/robot"
    put(tmp_path, "proc/self/cgroup", "0::/robot/perception\n")
    put(tmp_path, f"{group}/perception/memory.max", "max\n")
    put(tmp_path, f"{group}/memory.max", "1000\n")
    put(tmp_path, f"{group}/memory.current", "950\n")
    put(tmp_path, f"{group}/memory.stat", "anon 800\ninactive_file 50\n")
    memory = readings(SystemPressure(tmp_path))["memory"]
    assert (memory.value, memory.detail) == (pytest.approx(90), "of its control group")


def test_stalls_are_those_of_the_last_ten_seconds(tmp_path: Path) -> None:
    put(tmp_path, "proc/pressure/memory", PSI)
    assert readings(SystemPressure(tmp_path))["memory_stall"].value == 12.5


def test_the_hottest_zone_of_the_processor_counts_and_nonsense_does_not(tmp_path: Path) -> None:
    zones = [("iwlwifi", "99000"), ("cpu-thermal", "61500"), ("soc-thermal", "-256000")]
    for index, (kind, value) in enumerate(zones):
        put(tmp_path, f"sys/class/thermal/thermal_zone{index}/type", kind + "\n")
        put(tmp_path, f"sys/class/thermal/thermal_zone{index}/temp", value + "\n")
    heat = readings(SystemPressure(tmp_path))["temperature"]
    assert (heat.value, heat.unit, heat.detail) == (61.5, "°C", "cpu-thermal")
    put(tmp_path, "sys/class/hwmon/hwmon2/name", "k10temp\n")
    put(tmp_path, "sys/class/hwmon/hwmon2/temp1_input", "72250\n")
    assert readings(SystemPressure(tmp_path))["temperature"].value == 72.25


def test_without_a_named_processor_every_zone_counts(tmp_path: Path) -> None:
    put(tmp_path, "sys/class/thermal/thermal_zone0/type", "acpitz\n")
    put(tmp_path, "sys/class/thermal/thermal_zone0/temp", "48000\n")
    heat = readings(SystemPressure(tmp_path))["temperature"]
    assert (heat.value, heat.detail) == (48, "acpitz")


def test_a_power_cap_is_the_cut_of_the_highest_frequency(tmp_path: Path) -> None:
    for policy, allowed in (("policy0", 2_000_000), ("policy4", 1_200_000)):
        folder = f"sys/devices/system/cpu/cpufreq/{policy}"
        put(tmp_path, f"{folder}/cpuinfo_max_freq", "2000000\n")
        put(tmp_path, f"{folder}/scaling_max_freq", f"{allowed}\n")
    cap = readings(SystemPressure(tmp_path))["power_cap"]
    assert (cap.value, cap.detail) == (pytest.approx(40), "cut of policy4")


@pytest.mark.parametrize(
    "counter",
    [
        "sys/devices/system/cpu/cpu1/thermal_throttle/package_throttle_count",
        "sys/class/hwmon/hwmon3/oc3_event_cnt",  # NVIDIA Jetson
    ],
)
def test_only_new_events_of_throttling_count(tmp_path: Path, counter: str) -> None:
    system = SystemPressure(tmp_path)
    seen = []
    for count in (7, 7, 10, 10, 0, 2):  # a counter that begins anew is no event
        put(tmp_path, counter, f"{count}\n")
        seen.append(readings(system)["throttling"].value)
    assert seen == [0, 0, 3, 0, 0, 2]


def test_a_raspberry_pi_tells_its_state(tmp_path: Path) -> None:
    firmware = "sys/devices/platform/soc/soc:firmware/get_throttled"
    put(tmp_path, firmware, "50000\n")  # it was throttled, it is no more
    assert readings(SystemPressure(tmp_path))["throttling"].value == 0
    put(tmp_path, firmware, "50005\n")
    assert readings(SystemPressure(tmp_path))["throttling"].value == 1


def test_this_machine_can_be_read_without_a_fault() -> None:
    memory = readings(SystemPressure())["memory"]
    assert memory.value is not None
    assert 0 < memory.value <= 100


def test_latency_is_the_90th_percentile_of_the_last_seconds() -> None:
    now_s = 10.0
    gauge = LatencyGauge(5.0, lambda: now_s)
    assert gauge.read().value is None
    assert "nothing was handled in the last 5 s" in str(gauge.read())
    for value in range(101):
        gauge.add_s(value / 100)
    assert gauge.read().value == pytest.approx(0.9)
    now_s = 14.0
    gauge.add_s(3.0)
    now_s = 16.0
    assert gauge.read().value == pytest.approx(3.0)
    now_s = 20.0
    assert gauge.read().value is None
