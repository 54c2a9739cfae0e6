"""ansible/quickstart as people run it: from nothing, again, interrupted, and where it cannot work."""

import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest

from harness import ROOT, accepts, free_port, get, wait_for

SCRIPT = ROOT / "ansible/quickstart"
NOBODY = 65534
USERS_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"  # Debian's, in /etc/login.defs


class Quickstart:
    """A directory for it, which other users may pass through as they may through /tmp."""

    def __init__(self, user=None):
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="shoal-test-"))
        self.base.chmod(0o755)
        self.directory = self.base / "state"
        self.port = free_port()
        self.user = user
        if user is not None:
            os.chown(self.base, user, user)

    def start(self, *arguments, port=None):
        command = [SCRIPT, "--directory", self.directory, "--port", str(port or self.port), *arguments]
        if self.user is not None:
            command = ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--clear-groups", *command]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True,
                                env={"PATH": USERS_PATH, "HOME": str(self.base), "TMPDIR": str(self.base)})

    def run(self, *arguments, **options):
        """Its exit status and what it said, when it ends by itself."""
        child = self.start(*arguments, **options)
        said, _ = child.communicate(timeout=300)
        return child.returncode, said

    def processes(self):
        """{name: pid} of what it runs."""
        found = {}
        for entry in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0] != b"" and any(os.fsencode(self.base) in word for word in words):
                found[os.path.basename(words[0].decode())] = int(entry.name)
        return found

    def assert_nothing_is_left(self):
        wait_for(lambda: not self.processes(), f"the end of {self.processes()}")
        assert not accepts(self.port)
        assert list(self.base.glob("shoal-quickstart.*")) == [], "passwords and the broker's files"

    def remove(self):
        shutil.rmtree(self.base)


@pytest.fixture(scope="module")
def quickstart():
    quickstart = Quickstart()
    yield quickstart
    for pid in quickstart.processes().values():
        os.kill(pid, signal.SIGKILL)
    quickstart.remove()


def assert_worked(quickstart, status, said):
    assert status == 0, said
    assert f"http://127.0.0.1:{quickstart.port}/" in said
    figures = re.findall(r"1 of 1 nodes up  (\d+) series  (\d+) frames  (\d+) samples  (\d+) bytes", said)
    assert figures, said
    series, frames, samples, size = map(int, figures[-1])
    assert re.search(r"[0-9.]+ samples/s  [0-9.]+ bytes/s  [0-9.]+ bytes a sample", said)
    assert series > 100 and frames > 1 and samples > series and size > 1000
    quickstart.assert_nothing_is_left()


def test_from_a_clean_directory(quickstart):
    status, said = quickstart.run("--seconds", "20")
    assert_worked(quickstart, status, said)


def test_second_time_starts_in_seconds_and_ctrl_c_stops_all(quickstart):
    start = time.monotonic()
    child = quickstart.start()
    wait_for(lambda: accepts(quickstart.port) and get(
        f"http://127.0.0.1:{quickstart.port}/-/ready").status == 200, "the collector")
    assert time.monotonic() - start < 10
    wait_for(lambda: len(quickstart.processes()) >= 4, "the three programs and the script")
    child.send_signal(signal.SIGINT)
    said, _ = child.communicate(timeout=30)
    assert child.returncode == 130, said
    quickstart.assert_nothing_is_left()


def test_two_in_one_directory(quickstart):
    child = quickstart.start()
    wait_for(lambda: accepts(quickstart.port), "the first one")
    status, said = quickstart.run("--seconds", "5", port=free_port())
    assert status == 1
    assert f"another quickstart runs in {quickstart.directory}" in said
    child.terminate()
    child.communicate(timeout=30)
    quickstart.assert_nothing_is_left()


def test_port_taken(quickstart):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, said = quickstart.run("--seconds", "5", port=port)
    assert status == 1
    assert f"port {port} on 127.0.0.1 is taken" in said
    quickstart.assert_nothing_is_left()


def test_program_that_dies_is_named_with_its_log(quickstart):
    child = quickstart.start()
    wait_for(lambda: "shoal-agent" in quickstart.processes(), "the agent")
    os.kill(quickstart.processes()["shoal-collector"], signal.SIGKILL)
    said, _ = child.communicate(timeout=30)
    assert child.returncode == 1
    assert "shoal-collector ended with status 137" in said
    assert f"{quickstart.directory}/log/shoal-collector.log" in said
    quickstart.assert_nothing_is_left()


def test_as_an_ordinary_user():
    if os.geteuid() != 0:
        pytest.skip("the other tests ran as an ordinary user")
    readable = subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
                               "test", "-r", ROOT / "CMakeLists.txt"], check=False)
    if readable.returncode != 0:
        pytest.skip("the sources are not for other users to read")
    quickstart = Quickstart(user=NOBODY)
    status, said = quickstart.run("--seconds", "15")
    assert_worked(quickstart, status, said)
    quickstart.remove()


@pytest.mark.parametrize("arguments, named", [
    (["--seconds", "soon"], "soon"), (["--seconds", "0"], "0"), (["--port"], "--port"),
    (["--prot", "1"], "--prot"), (["--port", "65536"], "65536")])
def test_bad_arguments(arguments, named):
    done = subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert named in done.stderr
