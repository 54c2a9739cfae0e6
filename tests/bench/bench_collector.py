#!/usr/bin/python3
"""GET /metrics of a fleet's latest values, beside Debian's pushgateway holding the same series.

1,000 nodes of 100 series each reach a real collector through a real broker; then both servers give
their whole page, uncompressed, over loopback, in turns. Lines are samples, without comments.
Memory is what the collector's resident set grew by, after the pages, for each live series.
"""

import contextlib
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

BUILD = pathlib.Path(os.environ["SHOAL_BUILD"])
BRIEF = bool(os.environ.get("SHOAL_BENCH_BRIEF"))
NODES = 50 if BRIEF else 1000
ROUNDS = 3 if BRIEF else 15
DEADLINE = 120.0
os.environ["PATH"] += ":/usr/sbin"  # mosquitto's, which ordinary users have not


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(condition, what):
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"bench_collector: waited in vain for {what}")
        time.sleep(0.05)


def exchange(port, request):
    """The whole answer, read as fast as it comes."""
    pieces = []
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(request)
        while piece := connection.recv(1 << 20):
            pieces.append(piece)
    return b"".join(pieces)


def get(port, path):
    head, _, body = exchange(port, f"GET {path} HTTP/1.0\r\nHost: bench\r\n\r\n".encode()).partition(b"\r\n\r\n")
    return body if b" 200 " in head.split(b"\r\n")[0] else None


def answers(port, path):
    with contextlib.suppress(OSError):
        return get(port, path) is not None
    return False


def samples(page):
    return sum(1 for line in page.splitlines() if not line.startswith(b"#"))


def value(port, name):
    found = re.search(rb"^" + name + rb" (\S+)$", get(port, "/collector/metrics"), re.M)
    return float(found[1]) if found else 0.0


def resident_bytes(pid):
    fields = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB", fields, re.M)[1]) * 1024


class Servers:
    """Processes in a directory of their own; all end with the bench."""

    def __init__(self, stack):
        self.stack = stack
        self.directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))

    def start(self, *command):
        log = self.stack.enter_context(open(self.directory / "log", "ab"))
        process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log)
        self.stack.callback(process.wait)
        self.stack.callback(process.terminate)
        return process

    def broker(self):
        port = free_port()
        file = self.directory / "mosquitto.conf"
        user = "user root\n" if os.geteuid() == 0 else ""
        file.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n"
                        f"max_queued_messages 0\n{user}")
        self.start("mosquitto", "-c", file)

        def accepts():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0
        wait_for(accepts, "mosquitto")
        return port

    def collector(self, broker):
        port = free_port()
        file = self.directory / "collector.yaml"
        file.write_text(f"broker: {{host: 127.0.0.1, port: {broker}}}\n"
                        f"store: {{directory: {self.directory}/store}}\n"
                        f"web: {{listen: '127.0.0.1:{port}'}}\n"
                        "clock: {trusted: true}\n")
        process = self.start(BUILD / "collector/shoal-collector", "--config", file)
        wait_for(lambda: answers(port, "/-/ready"), "the collector")
        wait_for(lambda: value(port, b"shoal_collector_broker_connected") == 1, "its broker")
        return port, process.pid

    def pushgateway(self):
        port = free_port()
        self.start("prometheus-pushgateway", f"--web.listen-address=127.0.0.1:{port}",
                   "--push.disable-consistency-check")
        wait_for(lambda: answers(port, "/-/ready"), "the pushgateway")
        return port


def push_fleet(port):
    body = subprocess.run([BUILD / "tests/bench_fleet", "--text"], check=True,
                          stdout=subprocess.PIPE).stdout
    for node in range(NODES):
        answer = exchange(port, (f"PUT /metrics/job/node/instance/node-{node:04} HTTP/1.0\r\nHost: bench\r\n"
                                 f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
        if b" 20" not in answer.split(b"\r\n")[0]:  # 202 without the check of consistency
            sys.exit(f"bench_collector: the pushgateway refused a push: {answer[:300]}")


def seconds_for_page(port):
    begin = time.perf_counter()
    exchange(port, b"GET /metrics HTTP/1.0\r\nHost: bench\r\n\r\n")
    return time.perf_counter() - begin


def main():
    if shutil.which("prometheus-pushgateway") is None:
        sys.exit("bench_collector: prometheus-pushgateway is not installed")
    with contextlib.ExitStack() as stack:
        servers = Servers(stack)
        broker = servers.broker()
        collector, pid = servers.collector(broker)
        bytes_before = resident_bytes(pid)
        subprocess.run([BUILD / "tests/bench_fleet", str(broker), str(NODES)], check=True)
        wait_for(lambda: value(collector, b"shoal_collector_frames_total") == 2 * NODES, "the frames")
        series = value(collector, b"shoal_collector_series")
        pushgateway = servers.pushgateway()
        push_fleet(pushgateway)

        lines, times = {}, {collector: [], pushgateway: []}
        for port in times:
            lines[port] = samples(get(port, "/metrics"))
        for _ in range(ROUNDS):
            for port, taken in times.items():
                taken.append(seconds_for_page(port))
        rate = {port: lines[port] / statistics.median(taken) for port, taken in times.items()}
        growth = (resident_bytes(pid) - bytes_before) / series

    print(f"series {series:.0f}, lines {lines[collector]} and {lines[pushgateway]}", file=sys.stderr)
    print(f"exposition_lines_per_s {rate[collector]:.0f} lines/s")
    print(f"pushgateway_lines_per_s {rate[pushgateway]:.0f} lines/s")
    print(f"exposition_ratio {rate[collector] / rate[pushgateway]:.2f} ratio")
    print(f"collector_bytes_per_series {growth:.1f} bytes")


if __name__ == "__main__":
    main()
