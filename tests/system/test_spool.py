"""What the agent took outlives its own end, the power, and trouble with its directories: every
frame is in the collector's store once."""

import shutil
import signal

from harness import wait_for
from test_restart import stored

FAST = "200ms"


def gaps(collector):
    return collector.own().value("shoal_node_gap_frames_total", node="node1")


def assert_whole(collector, streams):
    have = stored(collector)
    assert len(have) == streams
    for sequences in have.values():
        assert sequences == list(range(1, len(sequences) + 1))
    assert gaps(collector) == 0
    return have


def total(collector):
    return sum(map(len, stored(collector).values()))


def start(bed, **options):
    broker = bed.broker()
    collector = bed.collector(broker)
    agent = bed.agent(broker, interval=FAST, **options)
    collector.wait_node("node1", frames=5)
    return broker, collector, agent


def writes(directory):
    """What lies there, and when it was last written."""
    return {path: path.stat().st_mtime_ns for path in [directory, *directory.rglob("*")]}


def spooled(path):
    """Bytes of a spool's file and of its log of changes."""
    return sum(part.stat().st_size for part in path.glob("spool.db*"))


def test_no_writes_in_normal_service(bed):
    _, collector, agent = start(bed, spool={"flush_after": "1s"})
    before = writes(agent.state)
    have = total(collector)
    wait_for(lambda: total(collector) >= have + 30, "30 more frames")
    assert writes(agent.state) == before


def test_killed_while_the_broker_is_away(bed):
    broker, collector, agent = start(bed)
    broker.process.kill()
    before = spooled(agent.runtime)
    wait_for(lambda: spooled(agent.runtime) > before + 8192, "frames in the runtime directory")
    agent.process.kill()
    assert not (agent.state / "spool.db").exists()  # the default wait is a minute
    agent.start()
    broker.start()
    wait_for(lambda: len(stored(collector)) == 2, "the second stream")
    have = assert_whole(collector, streams=2)
    assert min(map(len, have.values())) > 0


def test_power_lost_while_the_broker_is_away(bed):
    broker, collector, agent = start(bed, spool={"flush_after": "1s"})
    broker.process.kill()
    have = total(collector)
    wait_for(lambda: (agent.state / "spool.db").exists() and spooled(agent.state) > 65536,
             "frames in the state directory")
    agent.process.kill()
    shutil.rmtree(agent.runtime)
    agent.start()
    broker.start()
    wait_for(lambda: len(stored(collector)) == 2, "the second stream")
    assert_whole(collector, streams=2)
    assert total(collector) > have


def test_store_deleted(bed):
    _, collector, agent = start(bed)
    collector.process.kill()
    shutil.rmtree(collector.store)
    collector.start()
    wait_for(lambda: collector.store.exists() and total(collector) > 10, "frames sent again",
             seconds=60)
    assert_whole(collector, streams=1)
    assert agent.process.is_running()


def test_damaged_spool(bed):
    broker, collector, agent = start(bed)
    agent.process.stop(signal.SIGKILL)
    (agent.runtime / "spool.db-wal").unlink(missing_ok=True)
    (agent.runtime / "spool.db").write_bytes(b"nothing that could be read" * 1000)
    agent.start()
    agent.process.wait_log("set aside")
    wait_for(lambda: len(stored(collector)) == 2, "the second stream")
    assert (agent.runtime / "spool.db.damaged").exists()


def test_runtime_directory_cannot_be_made(bed):
    broker = bed.broker()
    collector = bed.collector(broker)
    blocked = bed.directory / "node1-run"
    blocked.write_text("in the way")
    agent = bed.agent(broker, interval=FAST)
    collector.wait_node("node1", frames=5)
    agent.process.wait_log("frames are kept elsewhere")
    blocked.unlink()
    agent.process.wait_log("takes frames again")
    have = total(collector)
    wait_for(lambda: total(collector) > have + 5, "more frames")
    assert_whole(collector, streams=1)


def test_second_agent_is_refused(bed):
    broker, _, agent = start(bed)
    other = bed.agent(broker)
    assert other.process.wait_exit() != 0
    other.process.wait_log("another shoal-agent uses this directory")
    assert agent.process.is_running()
