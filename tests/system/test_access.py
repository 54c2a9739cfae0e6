"""The way to the broker: TLS, certificates, passwords, the ACL; what is said when it is closed."""

import os

import pytest

from harness import Authority, COLLECTOR_USER


@pytest.fixture
def tls(tmp_path):
    authority = Authority(tmp_path / "authority")
    authority.issue("broker", host="IP:127.0.0.1")
    for user in (COLLECTOR_USER, "node1", "node2"):
        authority.issue(user)
    return authority


def test_tls_with_client_certificate_and_password(bed, tls):
    broker = bed.broker(tls=tls)
    collector = bed.collector(broker)
    bed.agent(broker)
    collector.wait_node("node1", frames=3)


def test_wrong_authority_is_named(bed, tls, tmp_path):
    broker = bed.broker(tls=tls)
    other = Authority(tmp_path / "other")
    agent = bed.agent(broker, ca_file=other.ca)
    line = agent.process.wait_log("certificate verify failed")
    assert f"127.0.0.1:{broker.port}" in line
    assert agent.process.is_running(), "it goes on trying"


def test_missing_client_certificate_is_refused(bed, tls):
    broker = bed.broker(tls=tls)
    collector = bed.collector(broker)
    agent = bed.agent(broker, cert_file=None, key_file=None)
    line = agent.process.wait_log(f"127.0.0.1:{broker.port}")
    assert "warning" in line.lower() or "error" in line.lower()
    assert collector.own().value("shoal_node_frames_total", node="node1") is None


def test_wrong_password_is_named(bed, tmp_path):
    broker = bed.broker()
    collector = bed.collector(broker)
    wrong = tmp_path / "wrong"
    wrong.write_text("not the password\n")
    agent = bed.agent(broker, password_file=wrong)
    line = agent.process.wait_log("Not authorized")
    assert f"127.0.0.1:{broker.port}" in line
    assert "not the password" not in agent.process.log()
    assert collector.own().value("shoal_node_frames_total", node="node1") is None


def test_missing_password_file_is_named(bed, tmp_path):
    broker = bed.broker()
    agent = bed.agent(broker, password_file=tmp_path / "nowhere")
    assert agent.process.wait_exit() != 0
    assert f"{tmp_path / 'nowhere'}" in agent.process.log()
    assert os.strerror(2) in agent.process.log()


def test_acl_confines_a_node(bed):
    broker = bed.broker()
    collector = bed.collector(broker)
    agent = bed.agent(broker, "node1", user="node2")
    assert "shoal/v1/node1/" in agent.process.wait_log("Not authorized")
    assert "Not authorized" in broker.publish("node2", "shoal/v1/node1/frames", b"anything")
    assert collector.own().value("shoal_node_frames_total", node="node1") is None
