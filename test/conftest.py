# SPDX-License-Identifier: Apache-2.0
"""What every test may use: a ROS domain of its own, processes that end, waiting with a limit.

`make test` runs the suite where ROS 2 and the built packages are found. Where they are not (a
plain Python environment), the tests that need them are left out and the header says so.
"""

import importlib.util
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HAS_ROS = importlib.util.find_spec("rclpy") is not None

# Runs beside each other on one machine must not hear each other.
if HAS_ROS:
    from digit_ros.domain import reserve_domain

    os.environ["ROS_DOMAIN_ID"] = str(reserve_domain())
os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
# Without it raw images published by the tests themselves would be lost, see config/fastdds.xml.
_JAZZY = os.environ.get("ROS_DISTRO") == "jazzy"
PROFILE_VARIABLE = "FASTRTPS_DEFAULT_PROFILES_FILE" if _JAZZY else "FASTDDS_DEFAULT_PROFILES_FILE"
os.environ[PROFILE_VARIABLE] = str(ROOT / "config" / "fastdds.xml")

collect_ignore_glob = [] if HAS_ROS else ["digit_ros/*", "underlay/*"]


def pytest_report_header(config):
    if not HAS_ROS:
        return "ROS 2: not found, tests of digit_ros and underlay are left out"
    return f"ROS 2: {os.environ.get('ROS_DISTRO')}, domain {os.environ['ROS_DOMAIN_ID']}, localhost"


class Process:
    """A child process whose output (stdout and stderr together) is kept as it comes."""

    def __init__(self, command, env):
        self.command = [str(word) for word in command]
        self._lines, self._lock = [], threading.Lock()
        self._popen = subprocess.Popen(
            self.command,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self):
        return self._popen.pid

    @property
    def output(self):
        """What it has said so far."""
        with self._lock:
            return "".join(self._lines)

    @property
    def running(self):
        return self._popen.poll() is None

    def wait(self, timeout_s=30.0):
        """Its exit code; fails the test when it has not ended by itself in time."""
        try:
            code = self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            pytest.fail(f"{self.command} still runs after {timeout_s} s; it said:\n{self.output}")
        self._reader.join(timeout=5.0)
        return code

    def wait_for(self, pattern, timeout_s=30.0):
        """The first match of a regular expression in its output; fails the test when none comes."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            ended = not self.running
            found = re.search(pattern, self.output)
            if found:
                return found
            if ended:
                self._reader.join(timeout=5.0)
                found = re.search(pattern, self.output)
                if found:
                    return found
                break
            time.sleep(0.02)
        pytest.fail(f"{self.command} never said {pattern!r}; it said:\n{self.output}")

    def stop(self, timeout_s=10.0):
        """Interrupt it as Ctrl-C does and give its exit code; kill it when it does not end."""
        if self.running:
            self._popen.send_signal(signal.SIGINT)
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            return self._popen.wait()
        finally:
            self._reader.join(timeout=5.0)

    def _read(self):
        for line in self._popen.stdout:
            with self._lock:
                self._lines.append(line)


@pytest.fixture(params=[0o022, 0o077], ids="umask {:03o}".format)
def as_the_umask_says(request, monkeypatch):
    """as_the_umask_says(folder): all in it has the umask's permissions, of no file more or fewer.

    A file that is not finished yet is looked at too, when it is moved to its place.
    """

    def check(path, folder=False):
        wanted = (0o777 if folder else 0o666) & ~request.param
        found = path.lstat().st_mode & 0o7777
        assert found == wanted, f"{path}: {found:03o}, expected {wanted:03o}"

    def move(source, target):
        check(Path(source), Path(source).is_dir())
        real(source, target)

    def tree(folder):
        paths = list(folder.rglob("*"))
        assert any(path.is_file() for path in paths), f"{folder}: nothing was written"
        for path in paths:
            check(path, path.is_dir())

    real = os.replace
    monkeypatch.setattr(os, "replace", move)
    before = os.umask(request.param)
    yield tree
    os.umask(before)


@pytest.fixture
def start_process():
    """start_process(*command, env={}) -> Process; an env value of None unsets. All end after."""
    processes = []

    def start(*command, env=None):
        merged = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        merged = {name: value for name, value in merged.items() if value is not None}
        processes.append(Process(command, merged))
        return processes[-1]

    yield start
    for process in processes:
        process.stop()
        # Shown by pytest when the test failed.
        print(f"--- {' '.join(process.command)}\n{process.output}")


@pytest.fixture
def start_node(start_process):
    """start_node("player_node", {"source": path}, remap={"image": "/cam/image"}) -> Process."""
    from ament_index_python.packages import get_package_prefix

    def start(executable, parameters=None, remap=None, env=None):
        program = Path(get_package_prefix("digit_ros")) / "lib" / "digit_ros" / executable
        arguments = []
        for name, value in (parameters or {}).items():
            arguments += ["-p", f"{name}:={_yaml(value)}"]
        for name, value in (remap or {}).items():
            arguments += ["-r", f"{name}:={value}"]
        ros_args = ["--ros-args", *arguments] if arguments else []
        return start_process(program, *ros_args, env=env)

    return start


def _yaml(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_yaml(item) for item in value) + "]"
    if isinstance(value, (str, Path)):
        return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


class Ears:
    """A node in the test's own process that listens, speaks, and waits with a limit."""

    def __init__(self):
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self.context = rclpy.Context()
        rclpy.init(context=self.context)
        self.node = rclpy.create_node(f"test_{os.getpid()}", context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)

    def listen(self, message_type, topic, qos=10):
        """A list that fills with the topic's messages while `spin_until` runs."""
        heard = []
        self.node.create_subscription(message_type, topic, heard.append, qos)
        return heard

    def publisher(self, message_type, topic, qos=10, wait_for_subscriber_s=10.0):
        """A publisher that somebody listens to already."""
        publisher = self.node.create_publisher(message_type, topic, qos)
        if wait_for_subscriber_s:
            self.spin_until(publisher.get_subscription_count, wait_for_subscriber_s)
        return publisher

    def spin_until(self, condition, timeout_s=10.0, what=None):
        """Take in messages until `condition()` is true and give its value; fail after the limit."""
        deadline = time.monotonic() + timeout_s
        while not (value := condition()):
            if time.monotonic() > deadline:
                pytest.fail(f"{what or 'what was waited for'} did not come within {timeout_s} s")
            self._executor.spin_once(timeout_sec=0.05)
        return value

    def spin_for(self, seconds):
        """Take in messages for a while."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.02)

    def close(self):
        self._executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()


@pytest.fixture
def ears():
    """An `Ears`: ears.listen(Image, "image"), ears.spin_until(lambda: heard)."""
    ears = Ears()
    yield ears
    ears.close()


@pytest.fixture
def wait_until():
    """wait_until(condition, timeout_s, what) -> the condition's value once it is true."""

    def wait(condition, timeout_s=10.0, what="what was waited for"):
        deadline = time.monotonic() + timeout_s
        while not (value := condition()):
            if time.monotonic() > deadline:
                pytest.fail(f"{what} did not come within {timeout_s} s")
            time.sleep(0.02)
        return value

    return wait
