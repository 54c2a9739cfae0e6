"""SIGHUP: the agent takes up a configuration that is good, and keeps the old one where it is not."""

import signal

from harness import wait_for
from test_restart import assert_nothing_missing


def reload(agent, text):
    agent.file.write_text(text)
    agent.process.child.send_signal(signal.SIGHUP)


def test_agent_takes_up_a_new_configuration(bed):
    broker = bed.broker()
    collector = bed.collector(broker)
    agent = bed.agent(broker)
    collector.wait_node("node1", frames=3)
    page = collector.target("node1")
    text = agent.file.read_text().replace("id: node1", "id: other")
    reload(agent, text + "inputs:\n  loadavg:\n    enabled: false\n")
    agent.process.wait_log("configuration read again")
    assert "stays node1" in agent.process.log()

    def read_at(family):
        (_, time), = collector.samples(page).of(family).values()
        return time

    # The last reading is shown for a while, but there are no more of them.
    wait_for(lambda: read_at("node_memory_MemTotal_bytes") - read_at("node_load1") >= 3, "three more readings")
    assert_nothing_missing(collector, streams=1)


def test_agent_keeps_what_it_has_if_the_new_one_is_bad(bed):
    broker = bed.broker()
    collector = bed.collector(broker)
    agent = bed.agent(broker)
    collector.wait_node("node1")
    text = agent.file.read_text()
    reload(agent, text + "inputs:\n  loadafg:\n    enabled: false\n")
    agent.process.wait_log("stays as it was")
    line = agent.process.wait_log("inputs.loadafg")
    assert f"{agent.file}:{len(text.splitlines()) + 2}" in line
    frames = collector.own().value("shoal_node_frames_total", node="node1")
    collector.wait_node("node1", frames=frames + 3)
    assert collector.samples(collector.target("node1")).of("node_load1")
    assert_nothing_missing(collector, streams=1)
