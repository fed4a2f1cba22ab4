"""An environment counts as made only when all steps are done, and an interruption is survived."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from environment import setup, state
from environment.install import link_shared_files, project_requirements
from environment.process import Progress, Runner, SetupError, Tasks, explain, last_line, tail


class TestRosDistribution:
    def test_a_sourced_ros_is_found(self):
        variables = {"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": "/opt/ros/jazzy"}
        assert state.ros_distribution(variables) == "jazzy"

    def test_a_name_without_a_sourced_ros_does_not_count(self):
        assert state.ros_distribution({"ROS_DISTRO": "jazzy"}) is None
        assert state.ros_distribution({"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": ""}) is None


class TestKey:
    @pytest.fixture
    def root(self, tmp_path):
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder/a.msg").write_text("int32 x\n")
        (tmp_path / "setup.py").write_text("")
        return tmp_path

    def key(self, root, base="base"):
        return state.key(root, [root / "setup.py", root / "folder"], base)

    def test_same_content_has_the_same_key(self, root):
        assert self.key(root) == self.key(root)

    def test_content_names_and_base_change_it(self, root):
        before = self.key(root)
        assert self.key(root, "another base") != before
        (root / "folder/a.msg").write_text("int32 y\n")
        changed = self.key(root)
        assert changed != before
        (root / "folder/a.msg").rename(root / "folder/b.msg")
        assert self.key(root) not in {before, changed}

    def test_caches_do_not(self, root):
        before = self.key(root)
        (root / "folder/__pycache__").mkdir()
        (root / "folder/__pycache__/a.pyc").touch()
        assert self.key(root) == before


class TestStamp:
    @pytest.fixture
    def venv(self, tmp_path):
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin/python").touch()
        return tmp_path

    def test_a_finished_environment_is_current_for_its_key_only(self, venv):
        state.Stamp(venv).finished("base", "key")
        assert state.Stamp(venv).is_current("key")
        assert not state.Stamp(venv).is_current("another key")

    def test_work_under_way_is_not_finished(self, venv):
        stamp = state.Stamp(venv)
        stamp.finished("base", "key")
        stamp.started("base")
        assert not stamp.is_current("key")
        assert stamp.read() == {"base": "base"}

    def test_an_unreadable_stamp_is_none(self, venv):
        state.Stamp(venv).finished("base", "key")
        (venv / state.FOLDER / "stamp.json").write_text("{")
        assert state.Stamp(venv).read() == {}

    def test_an_environment_without_its_python_is_not_current(self, venv):
        state.Stamp(venv).finished("base", "key")
        (venv / "bin/python").unlink()
        assert not state.Stamp(venv).is_current("key")


class TestLock:
    def test_a_second_set_up_waits_for_the_first(self, tmp_path):
        waits, order = threading.Event(), []

        def second():
            with state.locked(tmp_path, waits.set):
                order.append("second")

        with state.locked(tmp_path, lambda: pytest.fail("nobody holds the lock")):
            thread = threading.Thread(target=second)
            thread.start()
            assert waits.wait(10)
            order.append("first")
        thread.join(10)
        assert order == ["first", "second"]


class TestEmpty:
    def test_removes_an_environment_but_its_lock_and_logs(self, tmp_path):
        for name in ("pyvenv.cfg", "bin/python", f"{state.FOLDER}/lock"):
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.touch()
        state.empty(tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == [state.FOLDER]

    def test_refuses_a_folder_that_is_no_environment(self, tmp_path):
        (tmp_path / "thesis.tex").touch()
        with pytest.raises(SetupError, match="is not an environment"):
            state.empty(tmp_path)
        assert (tmp_path / "thesis.tex").exists()


class TestForgetDamaged:
    @pytest.fixture
    def site_packages(self, tmp_path):
        info = tmp_path / "thing-1.0.dist-info"
        info.mkdir()
        (tmp_path / "thing.py").touch()
        (info / "RECORD").write_text(
            "thing.py,sha256=x,0\n__pycache__/thing.pyc,,\nthing-1.0.dist-info/RECORD,,\n"
        )
        return tmp_path

    def test_a_whole_package_stays(self, site_packages):
        assert state.forget_damaged(site_packages) == []
        assert (site_packages / "thing-1.0.dist-info").exists()

    @pytest.mark.parametrize("lost", ["thing.py", "thing-1.0.dist-info/RECORD"])
    def test_half_a_package_is_forgotten(self, site_packages, lost):
        (site_packages / lost).unlink()
        assert state.forget_damaged(site_packages) == ["thing-1.0.dist-info"]
        assert not (site_packages / "thing-1.0.dist-info").exists()


class TestMakeIfNeeded:
    @pytest.fixture
    def plan(self, tmp_path, monkeypatch):
        monkeypatch.setattr(setup.preflight, "lacks", lambda *_, **__: [])
        for name in ("PYTHONPATH", "PYTHONHOME", "CMAKE_PREFIX_PATH"):
            monkeypatch.setenv(name, "/of/another/environment")
        monkeypatch.setenv("PYTHONNOUSERSITE", "")
        monkeypatch.setenv("_ROS_WHEELS_BOOTSTRAP_COMPLETE", "1")
        return setup.Plan(tmp_path / "venv", Path(sys.executable), None)

    @pytest.fixture
    def steps(self, monkeypatch):
        done = []

        def create(plan, stamp, runner, progress):
            done.append("create")
            (plan.venv / "bin").mkdir(parents=True, exist_ok=True)
            (plan.venv / "bin/python").touch()
            stamp.started(plan.base)

        monkeypatch.setattr(setup, "create", create)
        monkeypatch.setattr(setup, "install", lambda *_: done.append("install"))
        return done

    def test_the_second_run_does_nothing(self, plan, steps):
        setup.make_if_needed(plan)
        setup.make_if_needed(plan)
        assert steps == ["create", "install"]

    def test_another_environment_s_settings_are_dropped(self, plan, steps):
        setup.make_if_needed(plan)
        assert "PYTHONPATH" not in os.environ
        assert "_ROS_WHEELS_BOOTSTRAP_COMPLETE" not in os.environ

    def test_a_run_that_failed_is_done_again(self, plan, steps, monkeypatch):
        def fail(*_):
            raise SetupError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(setup, "install", fail)
            with pytest.raises(SetupError):
                setup.make_if_needed(plan)
        setup.make_if_needed(plan)
        assert steps == ["create", "create", "install"]

    def test_what_the_machine_lacks_stops_it_before_anything_is_made(
        self, plan, steps, monkeypatch
    ):
        monkeypatch.setattr(setup.preflight, "lacks", lambda *_, **__: ["one", "two"])
        with pytest.raises(SetupError, match="one\nerror: two"):
            setup.make_if_needed(plan)
        assert steps == []
        assert not plan.venv.exists()


class TestRunner:
    def test_a_failed_command_keeps_its_output(self, tmp_path):
        runner = Runner(tmp_path)
        program = "print('before'); print('what went wrong'); raise SystemExit(3)"
        with pytest.raises(SetupError, match="a step: failed with exit status 3") as failure:
            runner.run("a step", [sys.executable, "-c", program])
        assert failure.value.log == tmp_path / "a_step.log"
        assert tail(failure.value.log, lines=1) == "what went wrong"

    def test_an_earlier_command_of_the_step_is_not_blamed(self, tmp_path):
        runner = Runner(tmp_path)
        runner.run("step", [sys.executable, "-c", "print('No space left on device')"])
        with pytest.raises(SetupError, match="failed with exit status"):
            runner.run("step", [sys.executable, "-c", "raise SystemExit(1)"])

    def test_a_program_that_is_not_there_is_named(self, tmp_path):
        with pytest.raises(SetupError, match="no-such-program is not found"):
            Runner(tmp_path).run("step", ["no-such-program"])

    def test_stop_ends_running_commands_and_starts_no_more(self, tmp_path):
        runner = Runner(tmp_path)
        endless = "import time\nprint('running', flush=True)\nwhile True: time.sleep(1)"
        failures = []

        def run():
            try:
                runner.run("endless", [sys.executable, "-c", endless])
            except SetupError as error:
                failures.append(str(error))

        thread = threading.Thread(target=run)
        thread.start()
        while last_line(runner.log("endless")) != "running":
            assert thread.is_alive()
        runner.stop()
        thread.join(10)
        assert failures == ["endless: failed with exit status -15"]
        with pytest.raises(SetupError, match="not started"):
            runner.run("next", [sys.executable, "-c", ""])


class TestTasks:
    def test_the_first_failure_is_raised_while_others_run(self, tmp_path, capsys):
        runner, go_on = Runner(tmp_path), threading.Event()

        def fail():
            raise SetupError("this one")

        def others():
            assert go_on.wait(10)

        with Tasks(runner, Progress()) as tasks:
            slow = tasks.start("slow", others)
            tasks.start("broken", fail)
            with pytest.raises(SetupError, match="this one"):
                tasks.wait(slow)
            go_on.set()
        assert "slow: done in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("output", "cause"),
    [
        ("ERROR: Could not install: [Errno 28] No space left on device", "the disk is full"),
        (
            "urllib3 ... NewConnectionError: Failed to establish a new connection\n"
            "ERROR: No matching distribution found for numpy",
            "the package index cannot be reached",
        ),
        ("Temporary failure in name resolution", "the package index cannot be reached"),
        ("ERROR: No matching distribution found for thing>=2", "no release of thing>=2 fits"),
        ("error: something else", None),
        # pip went on after it, so it is not the cause.
        ("NewConnectionError\n" + "progress\n" * 100, None),
    ],
)
def test_the_cause_of_a_failure_is_one_line(output, cause):
    explained = explain(output)
    if cause is None:
        assert explained is None
    else:
        assert explained.startswith(cause)
        assert "\n" not in explained


class TestLinkSharedFiles:
    @pytest.fixture
    def root(self, tmp_path):
        root = tmp_path / "repository"
        for name in (
            "package.xml",
            "resource/edge_mm_ros",
            "config/systems/a.yaml",
            "launch/a.launch.py",
            "launch/__pycache__/a.pyc",
        ):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return root

    def shared(self, venv):
        share = venv / "share"
        return {str(path.relative_to(share)) for path in share.rglob("*") if path.is_file()}

    def test_the_repository_s_files_are_shown(self, root, tmp_path):
        link_shared_files(root, tmp_path / "venv")
        assert self.shared(tmp_path / "venv") == {
            "ament_index/resource_index/packages/edge_mm_ros",
            "edge_mm_ros/package.xml",
            "edge_mm_ros/config/systems/a.yaml",
            "edge_mm_ros/launch/a.launch.py",
        }

    def test_new_files_appear_and_lost_ones_go(self, root, tmp_path):
        venv = tmp_path / "venv"
        link_shared_files(root, venv)
        (root / "config/systems/a.yaml").rename(root / "config/systems/b.yaml")
        link_shared_files(root, venv)
        assert "edge_mm_ros/config/systems/b.yaml" in self.shared(venv)
        assert not (venv / "share/edge_mm_ros/config/systems/a.yaml").is_symlink()
        assert (root / "config/systems/b.yaml").exists()


def test_requirements_are_read_from_setup_py(tmp_path):
    (tmp_path / "setup.py").write_text(
        "INSTALL_REQUIRES = ['numpy>=1']\n"
        "EXTRAS_REQUIRE = {'a': ['one', 'two'], 'b': ['three']}\n"
        "OTHER = print\n"
    )
    assert project_requirements(tmp_path / "setup.py") == ["numpy>=1", "one", "two", "three"]


def test_the_program_leaves_a_current_environment_as_it_is():
    venv, distribution = Path(sys.prefix), state.ros_distribution(os.environ)
    plan = setup.Plan(venv, setup.interpreter(distribution), distribution)
    if not state.Stamp(venv).is_current(plan.key()):
        pytest.skip(f"{venv} is not what tools/bootstrap.py would make now")
    result = subprocess.run(
        [sys.executable, setup.ROOT / "tools/bootstrap.py", "--venv", venv],
        capture_output=True,
        text=True,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
