"""The pages for people and for service discovery, and what they say of a node's state."""

from harness import wait_for


def test_pages_and_state_of_a_node(bed):
    broker = bed.broker()
    collector = bed.collector(broker, settings={"nodes": ["node2"]})
    agent = bed.agent(broker, labels={"site": "roof"})
    collector.wait_node("node1", frames=2)

    entries = {e["labels"]["instance"]: e for e in collector.get("/sd").json()
               if e["labels"]["job"] == "node"}
    assert set(entries) == {"node1", "node2"}
    assert entries["node1"]["targets"] == [f"127.0.0.1:{collector.port}"]
    assert entries["node1"]["labels"]["site"] == "roof"
    assert any(e["labels"]["__metrics_path__"] == "/collector/metrics"
               for e in collector.get("/sd").json())

    page = collector.get("/")
    assert page.status == 200 and page.headers["Content-Type"].startswith("text/html")
    assert "node1" in page.text and "node2" in page.text

    assert collector.get(collector.target("node1")).status == 200
    heard_never = collector.get(collector.target("node2"))
    assert heard_never.status == 503
    assert "node2" in heard_never.text
    assert collector.get("/nodes/node9/node/node9/metrics").status == 404
    assert collector.get("/nowhere").status == 404
    assert collector.get("/-/healthy").status == 200

    own = collector.own()
    assert own.value("shoal_node_up", node="node1") == 1
    assert own.value("shoal_node_up", node="node2") == 0
    assert own.value("shoal_node_online", node="node1") == 1

    # Its last will says offline at once; it is down when its readings are too old.
    agent.process.kill()
    wait_for(lambda: collector.own().value("shoal_node_online", node="node1") == 0, "the last will")
    assert collector.get(collector.target("node1")).status == 200
    wait_for(lambda: collector.get(collector.target("node1")).status == 503, "node1 to be down", 60)
    assert collector.own().value("shoal_node_up", node="node1") == 0

    agent.start()
    wait_for(lambda: collector.own().value("shoal_node_up", node="node1") == 1, "node1 to be up")
    assert collector.own().value("shoal_node_online", node="node1") == 1


def test_address_of_targets_is_that_of_the_request(bed):
    broker = bed.broker()
    collector = bed.collector(broker)
    bed.agent(broker)
    collector.wait_node("node1")
    entries = collector.get("/sd", Host="collector.example:8080").json()
    assert {t for e in entries for t in e["targets"]} == {"collector.example:8080"}


def test_a_stopped_agent_says_so(bed):
    broker = bed.broker()
    collector = bed.collector(broker)
    agent = bed.agent(broker)
    collector.wait_node("node1")
    assert agent.process.stop() == 0
    wait_for(lambda: collector.own().value("shoal_node_online", node="node1") == 0, "offline")
