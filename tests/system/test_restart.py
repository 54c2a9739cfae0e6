"""Whatever is restarted: what was stored is there again, and nothing is missing or doubled."""

import signal
import sqlite3

import pytest

from harness import wait_for


def stored(collector):
    """{stream: [sequences]} as the store's file has them."""
    with sqlite3.connect(f"file:{collector.store}/shoal.db?mode=ro", uri=True) as store:
        streams = {}
        for stream, sequence in store.execute("SELECT stream, sequence FROM frames ORDER BY 1, 2"):
            streams.setdefault(stream, []).append(sequence)
        return streams


def assert_nothing_missing(collector, streams):
    have = stored(collector)
    assert len(have) == streams
    for sequences in have.values():
        assert sequences == list(range(1, len(sequences) + 1))
    assert collector.own().value("shoal_node_gap_frames_total", node="node1") == 0


def wait_more(collector, frames=3):
    """Until more frames are committed than are now."""
    before = sum(map(len, stored(collector).values()))
    wait_for(lambda: sum(map(len, stored(collector).values())) >= before + frames,
             f"{frames} more frames in the store")


def test_collector_restarted_without_news_shows_the_same(bed):
    broker = bed.broker()
    collector = bed.collector(broker)
    agent = bed.agent(broker)
    collector.wait_node("node1", frames=5)
    agent.process.stop()
    path = collector.target("node1")
    before = dict(collector.samples(path))
    collector.restart()
    after = wait_for(lambda: collector.get(path).status == 200 and dict(collector.samples(path)),
                     "the node's page")
    assert after == before
    assert_nothing_missing(collector, streams=1)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_collector_restarted(bed, how):
    broker = bed.broker()
    collector = bed.collector(broker)
    bed.agent(broker)
    collector.wait_node("node1", frames=5)
    series = {(name, labels) for name, labels in collector.samples(collector.target("node1"))}
    collector.restart(how)
    wait_more(collector)
    assert {key for key in collector.samples(collector.target("node1"))} == series
    assert_nothing_missing(collector, streams=1)


def test_agent_restarted(bed):
    broker = bed.broker()
    collector = bed.collector(broker)
    agent = bed.agent(broker)
    collector.wait_node("node1", frames=5)
    agent.restart()
    wait_for(lambda: len(stored(collector)) == 2, "the second stream")
    wait_more(collector)
    assert_nothing_missing(collector, streams=2)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_broker_restarted(bed, how):
    broker = bed.broker()
    collector = bed.collector(broker)
    bed.agent(broker)
    collector.wait_node("node1", frames=5)
    broker.process.stop(how)
    broker.start()
    wait_more(collector)
    assert_nothing_missing(collector, streams=1)


def test_agent_that_starts_first_waits_for_the_collector(bed):
    broker = bed.broker()
    agent = bed.agent(broker)
    wait_for(lambda: "u'node1'" in broker.process.log(), "the agent at the broker")
    collector = bed.collector(broker)
    collector.wait_node("node1", frames=3, seconds=90)
    assert_nothing_missing(collector, streams=1)
    assert agent.process.is_running()
