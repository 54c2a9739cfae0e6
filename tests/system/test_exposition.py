"""The pages, as strict readers take them."""

import gzip
import subprocess

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

import harness
from harness import Process, free_port, get, wait_for

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    """A collector with two nodes, for tests that only look."""
    bed = harness.Bed(tmp_path_factory.mktemp("fleet"))
    broker = bed.broker()
    collector = bed.collector(broker)
    for node in ("node1", "node2"):
        bed.agent(broker, node, interval="60s")
    for node in ("node1", "node2"):
        collector.wait_node(node)
    yield collector
    bed.close()


def pages(collector):
    return ["/metrics", "/collector/metrics", collector.target("node1"), collector.target("node2")]


def complaints(page):
    """promtool's, without the numbers of their lines."""
    done = subprocess.run(["promtool", "check", "metrics"], input=page.encode(),
                          capture_output=True, check=False, timeout=60)
    assert done.returncode in (0, 3), done.stderr.decode()
    return set(done.stderr.decode().splitlines() + done.stdout.decode().splitlines())


def test_strict_openmetrics_parser_takes_every_page(fleet):
    for path in pages(fleet):
        answer = fleet.get(path, Accept=OPENMETRICS)
        assert answer.headers["Content-Type"].startswith(OPENMETRICS), path
        families = list(openmetrics.text_string_to_metric_families(answer.text))
        assert len(families) > 10, path
        assert answer.text.endswith("# EOF\n")


def test_both_formats_have_the_same_samples(fleet):
    for path in pages(fleet)[2:]:
        text = {(s.name, frozenset(s.labels.items())): (s.value, s.timestamp)
                for f in text_string_to_metric_families(fleet.get(path).text) for s in f.samples}
        strict = {(s.name, frozenset(s.labels.items())): (s.value, float(s.timestamp))
                  for f in openmetrics.text_string_to_metric_families(
                      fleet.get(path, Accept=OPENMETRICS).text) for s in f.samples}
        assert {k: v for k, (v, _) in text.items()} == {k: v for k, (v, _) in strict.items()}
        assert all(abs(text[k][1] - strict[k][1]) < 0.0005 for k in text)


def test_the_fleet_page_has_both_nodes_with_their_labels(fleet):
    samples = fleet.samples()
    for node in ("node1", "node2"):
        assert samples.value("node_load1", job="node", instance=node) is not None


def test_gzip(fleet):
    for path in pages(fleet)[2:]:
        plain = fleet.get(path)
        packed = fleet.get(path, Accept_Encoding="gzip")
        assert plain.headers["Content-Encoding"] is None
        assert packed.headers["Content-Encoding"] == "gzip"
        assert len(packed.raw) < len(plain.raw) / 3
        assert gzip.decompress(packed.raw) == plain.raw
        assert fleet.get(path, Accept_Encoding="gzip;q=0").headers["Content-Encoding"] is None


def test_promtool_says_nothing_about_the_collectors_own_page(fleet):
    assert complaints(fleet.get("/collector/metrics").text) == set()


def test_promtool_says_nothing_that_it_does_not_say_about_node_exporter(fleet, tmp_path):
    port = free_port()
    exporter = Process("node_exporter", ["prometheus-node-exporter",
                       f"--web.listen-address=127.0.0.1:{port}"], tmp_path / "log").start()
    try:
        wait_for(lambda: harness.accepts(port), "node_exporter to listen")
        known = complaints(get(f"http://127.0.0.1:{port}/metrics").text)
    finally:
        exporter.kill()
    for path in ("/metrics", fleet.target("node1")):
        assert complaints(fleet.get(path).text) - known == set(), path
