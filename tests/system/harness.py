"""Runs the real programs for the system tests: broker, collector, agent, Prometheus.

A Bed owns a directory, the processes started in it and their logs. Everything listens on loopback,
on ports that were free, and is ended by its process id. Tests wait for conditions with deadlines.
"""

import contextlib
import gzip
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("SHOAL_BUILD", ROOT / "build/gcc"))
PREFIX = "shoal/v1"
COLLECTOR_USER = "_collector"
DEADLINE = 30.0
os.environ["PATH"] += ":/usr/sbin"  # mosquitto's, which ordinary users have not


def free_port():
    """A port that nothing listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(condition, what, seconds=DEADLINE):
    """Waits until condition() is true and returns what it gave."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < end, f"waited {seconds:.0f} s in vain for: {what}"
        time.sleep(0.05)


def accepts(port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def yaml(value, indent=0):
    """Nested dicts, lists and scalars as YAML."""
    lines = []
    for key, item in value.items():
        start = " " * indent + key + ":"
        if isinstance(item, dict):
            lines.append(start + "\n" + yaml(item, indent + 2) if item else start + " {}")
        elif isinstance(item, list):
            lines.append(start + " " + json.dumps(item))
        elif isinstance(item, bool):
            lines.append(start + (" true" if item else " false"))
        else:
            lines.append(f"{start} {item}")
    return "\n".join(lines)


class Answer:
    """What an HTTP server answered."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.raw = body
        unpacked = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
        self.text = unpacked.decode()

    def json(self):
        return json.loads(self.text)


def get(url, headers=None, timeout=10):
    """One GET; an error status is an answer too."""
    request = urllib.request.Request(url, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())


class Samples(dict):
    """A page in the text format: {(name, labels): (value, time or None)}, labels as frozenset."""

    def __init__(self, text):
        super().__init__()
        self.types = {}
        for family in text_string_to_metric_families(text):
            self.types[family.name] = family.type
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self, f"{sample.name}{sample.labels} stands there twice"
                self[key] = (sample.value, sample.timestamp)

    def value(self, name, **labels):
        """The one sample of that name and those labels, or None."""
        value, _ = self.get((name, frozenset(labels.items())), (None, None))
        return value

    def total(self, name, **labels):
        """The sum over all samples of that name that have those labels."""
        wanted = set(labels.items())
        return sum(v for (n, have), (v, _) in self.items() if n == name and wanted <= have)

    def of(self, name):
        return {labels: found for (n, labels), found in self.items() if n == name}


class Process:
    """A program that runs in the background with its output in a log."""

    def __init__(self, name, argv, log, **options):
        self.name = name
        self.argv = [str(word) for word in argv]
        self.log_path = pathlib.Path(log)
        self.options = options
        self.child = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.options
            )
        return self

    def is_running(self):
        return self.child is not None and self.child.poll() is None

    def stop(self, how=signal.SIGTERM, seconds=DEADLINE):
        """Ends it and returns its exit status."""
        if self.child is None:
            return None
        if self.is_running():
            self.child.send_signal(how)
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            raise AssertionError(f"{self.name} did not end within {seconds:.0f} s") from None

    def kill(self):
        self.stop(signal.SIGKILL)

    def wait_exit(self, seconds=DEADLINE):
        """Its exit status, when it ends by itself."""
        return wait_for(lambda: not self.is_running(), f"{self.name} to end", seconds) and (
            self.child.returncode
        )

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def tail(self, lines=40):
        return "\n".join(self.log().splitlines()[-lines:])

    def wait_log(self, text, seconds=DEADLINE):
        """The first line that has the text."""

        def line():
            return next((line for line in self.log().splitlines() if text in line), None)

        return wait_for(line, f"'{text}' in the log of {self.name}", seconds)


class Broker:
    """mosquitto with users, passwords and the ACL that the README shows."""

    def __init__(self, bed, users=("node1", "node2"), tls=None):
        self.bed = bed
        self.port = free_port()
        self.tls = tls
        self.directory = bed.directory / "broker"
        self.directory.mkdir()
        self.passwords = {user: f"secret of {user}" for user in (COLLECTOR_USER, *users)}
        self._write_files()
        configuration = self.directory / "mosquitto.conf"
        self.process = bed.add(Process("mosquitto", ["mosquitto", "-c", configuration], bed.log("mosquitto")))

    def _write_files(self):
        passwords = self.directory / "passwords"
        passwords.write_text("".join(f"{u}:{p}\n" for u, p in self.passwords.items()))
        passwords.chmod(0o600)
        subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)
        for user, password in self.passwords.items():
            (self.directory / user).write_text(password + "\n")
        (self.directory / "acl").write_text(
            f"pattern write {PREFIX}/%u/frames\n"
            f"pattern write {PREFIX}/%u/status\n"
            f"pattern read {PREFIX}/%u/acks\n"
            f"pattern read {PREFIX}/_collectors/+\n"
            f"user {COLLECTOR_USER}\n"
            f"topic read {PREFIX}/+/frames\n"
            f"topic read {PREFIX}/+/status\n"
            f"topic write {PREFIX}/+/acks\n"
            f"topic readwrite {PREFIX}/_collectors/+\n"
        )
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous false",
            f"password_file {passwords}",
            f"acl_file {self.directory / 'acl'}",
            "max_queued_messages 0",
            "max_queued_bytes 67108864",
            "max_packet_size 262144",
            "set_tcp_nodelay true",
            "log_dest stderr",
            *(f"log_type {kind}" for kind in ("error", "warning", "notice", "information", "subscribe")),
        ]
        if os.geteuid() == 0:
            lines.append("user root")  # the tests' directory is not for the user mosquitto
        if self.tls:
            lines += [
                f"cafile {self.tls.ca}",
                f"certfile {self.tls.path('broker.crt')}",
                f"keyfile {self.tls.path('broker.key')}",
                "require_certificate true",
            ]
        (self.directory / "mosquitto.conf").write_text("\n".join(lines) + "\n")

    def start(self):
        self.process.start()
        wait_for(lambda: accepts(self.port), "mosquitto to listen")
        return self

    def settings(self, user, **changes):
        """The section `broker` of a daemon's configuration; a change to None leaves a key out."""
        section = {
            "host": "127.0.0.1",
            "port": self.port,
            "username": user,
            "password_file": self.directory / user,
        }
        if self.tls:
            section.update({
                "tls": True,
                "ca_file": self.tls.ca,
                "cert_file": self.tls.path(f"{user}.crt"),
                "key_file": self.tls.path(f"{user}.key"),
            })
        section.update(changes)
        return {key: value for key, value in section.items() if value is not None}

    def client(self, program, user, *arguments):
        """The command line of mosquitto_pub or mosquitto_sub as that user."""
        return [program, "-V", "5", "-h", "127.0.0.1", "-p", str(self.port), "-u", user,
                "-P", self.passwords[user], "-q", "1", *map(str, arguments)]

    def publish(self, user, topic, payload):
        """Returns what mosquitto_pub had to say."""
        done = subprocess.run(self.client("mosquitto_pub", user, "-t", topic, "-s"), input=payload,
                              capture_output=True, timeout=DEADLINE, check=False)
        return (done.stdout + done.stderr).decode()


class Authority:
    """A certificate authority of the tests, by openssl."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir()
        self.ca = self.path("ca.crt")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                      "-days", "2", "-subj", "/CN=tests", "-keyout", self.path("ca.key"), "-out", self.ca)

    def path(self, name):
        return self.directory / name

    def issue(self, name, host=None):
        """NAME.crt and NAME.key, for a host or for a client."""
        key, request, certificate = (self.path(f"{name}.{end}") for end in ("key", "csr", "crt"))
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj",
                      f"/CN={name}", "-keyout", key, "-out", request)
        extensions = self.path(f"{name}.ext")
        extensions.write_text(f"subjectAltName={host}\n" if host else "extendedKeyUsage=clientAuth\n")
        self._openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self.path("ca.key"),
                      "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", certificate)
        return self

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class SteppedClock:
    """A system clock that a test sets, for programs that get `env` (libfaketime), and whether the
    kernel calls it synchronised. The boot clock and the machine's own clocks are left alone."""

    FAKETIME = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    HELP = BUILD / "tests/libshoal_stepped_clock.so"

    def __init__(self, bed, name="clock", is_synchronised=False):
        assert self.FAKETIME, "the package faketime is missing"
        self.file = bed.directory / name
        self.env = os.environ | {
            "LD_PRELOAD": f"{self.HELP}:{self.FAKETIME}",
            "SHOAL_TEST_SYNCHRONISED": "1" if is_synchronised else "0",
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.step(0)

    def step(self, seconds):
        """Sets the clock to that many seconds from the true time, whole: no program reads half."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.rename(self.file)


class Collector:
    """shoal-collector; its store outlives a restart."""

    def __init__(self, bed, broker, settings=None, name="collector", env=None):
        self.port = free_port()
        self.store = bed.directory / f"{name}-store"
        self.url = f"http://127.0.0.1:{self.port}"
        self.file = bed.directory / f"{name}.yaml"
        values = {
            "broker": broker.settings(COLLECTOR_USER),
            "store": {"directory": self.store},
            "web": {"listen": f"127.0.0.1:{self.port}"},
            "clock": {"trusted": True},
        }
        values.update(settings or {})
        self.file.write_text(yaml(values) + "\n")
        self.process = bed.add(Process(
            name, [BUILD / "collector/shoal-collector", "--config", self.file], bed.log(name),
            env=env))

    def start(self):
        self.process.start()
        wait_for(self.is_ready, "the collector to be ready")
        return self

    def is_ready(self):
        assert self.process.is_running(), f"the collector ended: {self.process.tail(5)}"
        with contextlib.suppress(OSError):
            return get(self.url + "/-/ready").status == 200
        return False

    def restart(self, how=signal.SIGTERM):
        self.process.stop(how)
        return self.start()

    def get(self, path, **headers):
        return get(self.url + path, {k.replace("_", "-"): v for k, v in headers.items()})

    def samples(self, path="/metrics"):
        answer = self.get(path)
        assert answer.status == 200, f"{path}: {answer.status} {answer.text}"
        return Samples(answer.text)

    def own(self):
        return self.samples("/collector/metrics")

    def wait_node(self, node, frames=1, seconds=DEADLINE):
        """Until that many frames of a node are committed."""
        return wait_for(lambda: (self.own().value("shoal_node_frames_total", node=node) or 0) >= frames,
                        f"{frames} frames of {node}", seconds)

    def target(self, node, job="node"):
        """The path of a target's page, as /sd has it."""
        answer = self.get("/sd")
        assert answer.status == 200, f"/sd: {answer.status} {answer.text}"
        for entry in answer.json():
            labels = entry["labels"]
            if (labels["job"], labels["instance"]) == (job, node):
                return labels["__metrics_path__"]
        raise AssertionError(f"{node} is not in /sd")


class Agent:
    """shoal-agent; its state outlives a restart."""

    def __init__(self, bed, broker, node="node1", interval="1s", labels=None, user=None, spool=None,
                 settings=None, env=None, **changes):
        self.node = node
        self.state = bed.directory / f"{node}-state"
        self.runtime = bed.directory / f"{node}-run"
        self.file = bed.directory / f"{node}.yaml"
        values = {
            "node": {"id": node, "labels": labels or {}},
            "state_directory": self.state,
            "runtime_directory": self.runtime,
            "spool": spool or {},
            "broker": broker.settings(user or node, **changes),
            "sampling": {"interval": interval},
        }
        values.update(settings or {})
        self.file.write_text(yaml(values) + "\n")
        self.process = bed.add(Process(
            node, [BUILD / "agent/shoal-agent", "--config", self.file], bed.log(node), env=env))

    def start(self):
        self.process.start()
        return self

    def restart(self, how=signal.SIGTERM):
        self.process.stop(how)
        return self.start()


class Prometheus:
    """Debian's Prometheus, which discovers its targets through the collector's /sd."""

    def __init__(self, bed, collector):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        file = bed.directory / "prometheus.yml"
        file.write_text(
            "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\n"
            "scrape_configs:\n"
            "  - job_name: shoal\n"
            "    http_sd_configs:\n"
            f"      - url: {collector.url}/sd\n"
            "        refresh_interval: 1s\n"
        )
        self.process = bed.add(Process("prometheus", [
            "prometheus", f"--config.file={file}", f"--storage.tsdb.path={bed.directory / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{self.port}"], bed.log("prometheus")))

    def start(self):
        self.process.start()
        wait_for(self._is_ready, "Prometheus to be ready")
        return self

    def _is_ready(self):
        with contextlib.suppress(OSError):
            return get(self.url + "/-/ready").status == 200
        return False

    def api(self, path, **parameters):
        answer = get(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}").json()
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression):
        return self.api("query", query=expression)["result"]


class Bed:
    """A directory, and the processes that were started in it."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.processes = []

    def add(self, process):
        self.processes.append(process)
        return process

    def log(self, name):
        return self.directory / f"{name}.log"

    def close(self):
        for process in reversed(self.processes):
            if process.is_running():
                process.kill()

    def tails(self):
        return [(process.name, process.tail()) for process in self.processes]

    def broker(self, **options):
        return Broker(self, **options).start()

    def collector(self, broker, **options):
        return Collector(self, broker, **options).start()

    def agent(self, broker, *arguments, **options):
        return Agent(self, broker, *arguments, **options).start()

    def prometheus(self, collector):
        return Prometheus(self, collector).start()
