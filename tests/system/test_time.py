"""The times that are stored, against the true ones: what clock a machine has does not matter.

Readings carry the boot clock, which nobody steps; a frame's stored offset turns it into UTC. The
collector runs on the same machine, so the true offset is what this test measures itself.
"""

import sqlite3
import time

import pytest

import harness
from harness import SteppedClock, wait_for

YEAR = 365 * 86400
TOLERANCE_MS = 50
SOURCE_SYSTEM, SOURCE_PROBE = 1, 2


def true_offset_ms():
    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    utc = time.clock_gettime_ns(time.CLOCK_REALTIME)
    after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    return (utc - (before + after) // 2) / 1e6


def stored(collector):
    """Of each frame in the store: its time's distance from the truth, source, is_estimate."""
    true_ms = true_offset_ms()
    with sqlite3.connect(f"file:{collector.store}/shoal.db?mode=ro", uri=True) as store:
        return [(offset - true_ms, source, is_estimate) for offset, source, is_estimate in
                store.execute("SELECT utc_offset_ms, source, is_estimate FROM frames ORDER BY id")]


def assert_all_true(collector, at_least):
    frames = stored(collector)
    assert len(frames) >= at_least
    for off_ms, _, is_estimate in frames:
        assert abs(off_ms) <= TOLERANCE_MS, frames
        assert not is_estimate


def wait_more(collector, frames=4, seconds=60):
    before = len(stored(collector))
    wait_for(lambda: len(stored(collector)) >= before + frames, f"{frames} more frames", seconds)


def wait_clock(collector, seconds):
    """Until a reading that is shown was taken by an agent whose clock is off by that much."""
    def is_shown():
        answer = collector.get(collector.target("node1"))
        if answer.status != 200:
            return False
        now = harness.Samples(answer.text).value("node_time_seconds")
        return abs(now - time.time() - seconds) < 60
    wait_for(is_shown, f"a clock that is {seconds} s off")


@pytest.mark.parametrize("kind", ["plain", "trusted", "synchronised"])
@pytest.mark.parametrize("years", [-20, 15])
def test_clock_that_jumps(bed, years, kind):
    clock = SteppedClock(bed, is_synchronised=kind == "synchronised")
    broker = harness.Broker(bed)
    collector = harness.Collector(bed, broker)
    clock.step(years * YEAR)
    # It runs for a while before there is anybody to ask.
    agent = bed.agent(broker, interval="200ms", env=clock.env,
                      settings={"clock": {"trusted": kind == "trusted"}})
    agent.process.wait_log("trying again")
    broker.start()
    collector.start()
    collector.wait_node("node1", frames=5, seconds=60)
    wait_clock(collector, years * YEAR)

    clock.step(years * YEAR // 2)
    wait_more(collector)
    wait_clock(collector, years * YEAR // 2)

    broker.process.stop()
    collector.process.wait_log("trying again")
    clock.step(-years * YEAR // 3)
    time_of_outage = time.monotonic()
    wait_for(lambda: time.monotonic() > time_of_outage + 2, "an outage of two seconds")
    clock.step(years * YEAR // 5)
    broker.start()
    wait_more(collector, frames=15)

    clock.step(0)
    wait_more(collector)
    clock.step(years * YEAR)
    wait_more(collector)
    wait_clock(collector, years * YEAR)
    assert_all_true(collector, at_least=30)

    if kind != "plain":
        agent.process.wait_log("the collector's counts")
        collector.process.wait_log("node node1: its system clock claims to be right")
        wait_for(lambda: abs(collector.own().value("shoal_node_system_clock_offset_seconds",
                                                   node="node1") - years * YEAR) < 1,
                 "the system clock's offset in the metrics")
        clock.step(0)
        agent.process.wait_log("agrees with the collector's time again")
        collector.process.wait_log("node node1: its clock is right again")


@pytest.mark.parametrize("year", [1970, 2040])
def test_tls_with_a_wrong_clock(bed, year):
    tls = harness.Authority(bed.directory / "tls")
    for name in ("node1", harness.COLLECTOR_USER):
        tls.issue(name)
    tls.issue("broker", "IP:127.0.0.1")
    broker = bed.broker(tls=tls)
    collector = bed.collector(broker)
    clock = SteppedClock(bed)
    clock.step(int(year * 365.2425 * 86400 - 1970 * 365.2425 * 86400 + 60) - int(time.time()))
    agent = bed.agent(broker, interval="200ms", env=clock.env)
    collector.wait_node("node1", frames=5)
    agent.restart()  # knows the time from before
    wait_more(collector)
    assert_all_true(collector, at_least=9)


def test_agent_knows_the_time_after_a_restart(bed):
    broker = bed.broker()
    collector = bed.collector(broker)
    clock = SteppedClock(bed)
    clock.step(-20 * YEAR)
    agent = bed.agent(broker, interval="200ms", env=clock.env)
    collector.wait_node("node1", frames=3)
    agent.process.stop()
    kept = (bed.directory / "node1-state/last-time").read_text().split()
    assert abs(int(kept[2]) - time.time() * 1000) < 60_000
    agent.start()
    wait_more(collector)
    assert "the time is known now" in agent.process.log()
    assert agent.process.log().count("the time is known now") == 1
    assert_all_true(collector, at_least=7)


def test_collector_that_does_not_know_the_time_moves_no_clock(bed):
    broker = bed.broker()
    clock = SteppedClock(bed)
    clock.step(-9 * YEAR)
    collector = bed.collector(broker, settings={"clock": {"trusted": False}}, env=clock.env)
    ours = SteppedClock(bed, name="ours", is_synchronised=True)
    agent = bed.agent(broker, interval="200ms", env=ours.env)
    agent.process.wait_log("the collector does not know the time")
    collector.wait_node("node1", frames=5)
    assert_all_true(collector, at_least=5)
    assert {source for _, source, _ in stored(collector)} == {SOURCE_SYSTEM}


def test_what_is_said_of_the_clock(bed):
    broker = bed.broker()
    collector = bed.collector(broker)
    clock = SteppedClock(bed)
    clock.step(-20 * YEAR)
    bed.agent(broker, interval="200ms", env=clock.env)
    collector.wait_node("node1", frames=5)
    assert_all_true(collector, at_least=5)
    own = collector.own()
    assert own.value("shoal_node_clock_estimated", node="node1") == 0
    assert own.value("shoal_node_clock_source", node="node1", source="probe") == 1
    assert 0 < own.value("shoal_node_clock_uncertainty_seconds", node="node1") < 0.05
    assert abs(own.value("shoal_node_clock_offset_seconds", node="node1")) < 1
    page = collector.samples(collector.target("node1"))
    assert page.value("shoal_agent_clock_known") == 1
    assert page.value("shoal_agent_clock_source", source="probe") == 1
    assert page.value("shoal_agent_clock_answers_total") >= 1
    assert page.value("shoal_agent_clock_estimated_frames_total") == 0
    assert abs(page.value("shoal_agent_clock_system_offset_seconds") + 20 * YEAR) < 1
