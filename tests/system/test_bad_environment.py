"""What stands in the way is named; what can be lived with is."""

import os
import subprocess

import pytest

from harness import BUILD, Agent, Collector, get, wait_for

AGENT = BUILD / "agent/shoal-agent"
COLLECTOR = BUILD / "collector/shoal-collector"


def complaint(*command):
    """What a program says that has to end by itself, in error."""
    done = subprocess.run([str(word) for word in command], capture_output=True, timeout=30, check=False)
    assert done.returncode not in (0, -6, -11), done
    return done.stderr.decode()


def test_port_in_use(bed):
    broker = bed.broker()
    first = bed.collector(broker)
    second = Collector(bed, broker, name="second", settings={
        "web": {"listen": f"127.0.0.1:{first.port}"}})
    second.process.start()
    assert second.process.wait_exit() != 0
    assert f"127.0.0.1:{first.port}" in second.process.log()
    assert os.strerror(98) in second.process.log()
    assert first.process.is_running()


def test_second_collector_on_the_same_store(bed):
    broker = bed.broker()
    first = bed.collector(broker)
    second = Collector(bed, broker, name="second", settings={
        "store": {"directory": first.store}})
    second.process.start()
    assert second.process.wait_exit() != 0
    assert str(first.store) in second.process.log()
    assert "another" in second.process.log()
    bed.agent(broker)
    first.wait_node("node1")


@pytest.mark.parametrize("program", [AGENT, COLLECTOR])
def test_unknown_key(tmp_path, program):
    file = tmp_path / "c.yaml"
    file.write_text("broker:\n  host: 127.0.0.1\n  prot: 1883\n")
    said = complaint(program, "--config", file, "--check")
    assert f"{file}:3" in said
    assert "broker.prot" in said
    assert "did you mean port" in said


@pytest.mark.parametrize("program", [AGENT, COLLECTOR])
def test_bad_value(tmp_path, program):
    file = tmp_path / "c.yaml"
    file.write_text("broker:\n  host: 127.0.0.1\n  port: 99999\n")
    said = complaint(program, "--config", file, "--check")
    assert f"{file}:3" in said
    assert "broker.port" in said


@pytest.mark.parametrize("program", [AGENT, COLLECTOR])
def test_unreadable_configuration(tmp_path, program):
    missing = tmp_path / "missing.yaml"
    said = complaint(program, "--config", missing, "--check")
    assert str(missing) in said
    assert os.strerror(2) in said


@pytest.mark.parametrize("program", [AGENT, COLLECTOR])
def test_broken_yaml(tmp_path, program):
    file = tmp_path / "c.yaml"
    file.write_text("broker:\n  host: [127.0.0.1\n")
    assert str(file) in complaint(program, "--config", file, "--check")


def test_broker_that_is_not_there_is_named_once(bed):
    broker = bed.broker()
    broker.process.stop()
    agent = bed.agent(broker)
    agent.process.wait_log(f"127.0.0.1:{broker.port}")
    collector = Collector(bed, broker)
    collector.process.start()
    collector.process.wait_log(f"127.0.0.1:{broker.port}")
    broker.start()
    collector.wait_node("node1", frames=2, seconds=60)
    lines = [line for line in agent.process.log().splitlines() if os.strerror(111) in line]
    assert len(lines) == 1, "a state is logged when it changes, not each time it is met"


def test_broker_that_vanishes(bed):
    broker = bed.broker()
    collector = bed.collector(broker)
    agent = bed.agent(broker)
    collector.wait_node("node1", frames=2)
    path = collector.target("node1")
    assert collector.get(path).status == 200
    broker.process.kill()
    wait_for(lambda: collector.get(path).status == 503, "the node's page to say that it is down")
    wait_for(lambda: collector.own().value("shoal_collector_broker_connected") == 0, "the metric")
    for process in (agent.process, collector.process):
        process.wait_log(f"127.0.0.1:{broker.port}")
        assert process.is_running()
    broker.start()
    wait_for(lambda: collector.get(path).status == 200, "the node's page", 90)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 24 MiB."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system takes root")
    directory = tmp_path / "disk"
    directory.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", directory], check=False).returncode:
        pytest.skip("no mount is allowed here")
    yield directory
    subprocess.run(["umount", "-l", directory], check=True)


def fill(directory):
    """Takes all the room that is left."""
    filler = directory / "filler"
    with open(filler, "ab", buffering=0) as out:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    out.write(b"\0" * size)
            except OSError:
                continue
    return filler


def test_full_disk_under_the_store(bed, small_disk):
    broker = bed.broker()
    collector = bed.collector(broker, settings={"store": {"directory": small_disk / "store"}})
    collector.store = small_disk / "store"
    agent = bed.agent(broker)
    collector.wait_node("node1", frames=3)
    path = collector.target("node1")

    fillers = []

    def is_full():
        # What the collector gives up to make room is taken as well.
        fillers.append(fill(small_disk))
        return collector.own().value("shoal_collector_storing") == 0

    wait_for(is_full, "the collector to say that it cannot store", 60)
    assert collector.own().value("shoal_collector_commit_failures_total") > 0
    assert str(small_disk) in collector.process.wait_log("full")
    assert collector.get(path).status == 200, "what is stored can still be scraped"
    stored = collector.own().value("shoal_node_frames_total", node="node1")

    fillers[0].unlink()
    wait_for(lambda: collector.own().value("shoal_collector_storing") == 1, "room to be noticed", 60)
    collector.wait_node("node1", stored + 3, seconds=60)
    assert collector.own().value("shoal_node_gap_frames_total", node="node1") == 0
    assert agent.process.is_running()
