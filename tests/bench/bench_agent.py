#!/usr/bin/python3
"""The agent's CPU time and memory, beside Debian's node_exporter with the same collectors.

Both look at this machine in the same seconds: the agent samples, sends and is acked by a real
collector through a real broker; node_exporter is scraped as Prometheus does it, with gzip over a
connection that stays. Per sampling the agent's whole process counts, per scrape node_exporter's.
Memory is the resident set after 10 minutes' worth of readings, without TLS and with it.
"""

import contextlib
import http.client
import os
import pathlib
import re
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from harness import BUILD, COLLECTOR_USER, Authority, Bed, Process, accepts, free_port, wait_for

BRIEF = bool(os.environ.get("SHOAL_BENCH_BRIEF"))
NODE = "node1"
INPUTS = "cpu diskstats filefd filesystem hwmon loadavg meminfo netdev stat textfile time uname".split()
SCRAPES = 20 if BRIEF else 300
SCRAPES_BEFORE = 10  # after these, caches and heaps are as they stay
INTERVAL = 0.1
READINGS = 40  # in 10 minutes at 15 s
DEADLINE = 120


def cpu_seconds(pid):
    """All CPU time of another process, to the nanosecond: its clock, by clock_getcpuclockid(3)."""
    return time.clock_gettime((~pid << 3) | 2)


def resident_bytes(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M)[1]) * 1024


class Exporter:
    """node_exporter with the agent's inputs alone."""

    def __init__(self, bed):
        port = free_port()
        flags = [f"--collector.{name}" for name in INPUTS]
        self.process = bed.add(Process("node_exporter", [
            "prometheus-node-exporter", "--collector.disable-defaults", *flags,
            f"--web.listen-address=127.0.0.1:{port}"], bed.log("node_exporter")))
        self.process.start()
        wait_for(lambda: accepts(port), "node_exporter to listen")
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    @property
    def pid(self):
        return self.process.child.pid

    def scrape(self):
        self.connection.request("GET", "/metrics", headers={
            "Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "Accept-Encoding": "gzip"})
        answer = self.connection.getresponse()
        page = answer.read()
        if answer.status != 200 or not page:
            sys.exit(f"bench_agent: node_exporter answers {answer.status}")


class Setup:
    """A broker, a collector and an agent that samples fast."""

    def __init__(self, stack, tls=False):
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        self.bed = Bed(directory)
        stack.callback(self.bed.close)
        authority = None
        if tls:
            authority = Authority(self.bed.directory / "authority")
            authority.issue("broker", host="IP:127.0.0.1")
            for user in (COLLECTOR_USER, NODE):
                authority.issue(user)
        broker = self.bed.broker(tls=authority)
        self.collector = self.bed.collector(broker)
        self.agent = self.bed.agent(broker, NODE, interval=f"{int(INTERVAL * 1000)}ms")

    @property
    def pid(self):
        return self.agent.process.child.pid

    def frames(self):
        return self.collector.own().value("shoal_node_frames_total", node=NODE) or 0

    def wait_frames(self, more):
        self.collector.wait_node(NODE, self.frames() + more, DEADLINE)


def measure_cpu(setup, exporter):
    """Seconds of CPU a sampling and a scrape, taken in the same stretch of time."""
    for _ in range(SCRAPES_BEFORE):
        exporter.scrape()
    setup.wait_frames(SCRAPES_BEFORE)
    frames, agent, other = setup.frames(), cpu_seconds(setup.pid), cpu_seconds(exporter.pid)
    for _ in range(SCRAPES):
        exporter.scrape()
        time.sleep(INTERVAL)
    agent, other = cpu_seconds(setup.pid) - agent, cpu_seconds(exporter.pid) - other
    frames = setup.frames() - frames
    return agent / frames, other / SCRAPES


def main():
    with contextlib.ExitStack() as stack:
        setup = Setup(stack)
        exporter = Exporter(setup.bed)
        sampling, scrape = measure_cpu(setup, exporter)
        print(f"agent_cpu_ratio {sampling / scrape:.4f} ratio")
        print(f"agent_cpu_us_per_sampling {sampling * 1e6:.0f} us")
        print(f"node_exporter_cpu_us_per_scrape {scrape * 1e6:.0f} us")
        print(f"node_exporter_rss_bytes {resident_bytes(exporter.pid)} bytes")
    for tls, name in ((False, "agent_rss_bytes"), (True, "agent_rss_tls_bytes")):
        with contextlib.ExitStack() as stack:
            setup = Setup(stack, tls)
            setup.wait_frames(READINGS)
            print(f"{name} {resident_bytes(setup.pid)} bytes", flush=True)


if __name__ == "__main__":
    assert (BUILD / "agent/shoal-agent").exists()
    main()
