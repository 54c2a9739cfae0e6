"""A real Prometheus finds the collector's targets through /sd and has what the agent read."""

from harness import wait_for


def labels_of(series):
    return frozenset((k, v) for k, v in series.items() if k != "__name__")


def test_prometheus_has_the_agents_series(bed):
    broker = bed.broker()
    collector = bed.collector(broker)
    bed.agent(broker, "node1")
    collector.wait_node("node1", frames=3)  # from the second on it tells of all its inputs
    prometheus = bed.prometheus(collector)
    wait_for(lambda: prometheus.query('node_load1{job="node",instance="node1"}'), "a scrape")

    page = collector.samples(collector.target("node1"))
    target = {("job", "node"), ("instance", "node1")}
    wanted = {(name, labels | target) for name, labels in page}
    have = {(series["__name__"], labels_of(series))
            for series in prometheus.api("series", **{"match[]": '{job="node",instance="node1"}'})}
    about_the_scrape = {(name, labels) for name, labels in have
                        if name == "up" or (name.startswith("scrape_") and labels == target)}
    assert wanted <= have
    assert have - about_the_scrape == wanted
    assert len(wanted) > 100

    up = prometheus.query("up")
    assert {(s["metric"]["job"], s["metric"]["instance"], s["value"][1]) for s in up} >= {
        ("node", "node1", "1")}
    assert all(s["value"][1] == "1" for s in up), up

    metadata = prometheus.api("metadata")
    for family, kind in page.types.items():
        name = family + "_total" if kind == "counter" and family + "_total" in metadata else family
        have = {entry["type"] for entry in metadata[name]}
        assert have == {kind.replace("unknown", "untyped")} or have == {kind}, (family, kind, have)


def test_prometheus_has_the_times_of_the_readings(bed):
    broker = bed.broker()
    collector = bed.collector(broker)
    bed.agent(broker, "node1")
    collector.wait_node("node1")
    prometheus = bed.prometheus(collector)
    wait_for(lambda: prometheus.query('node_time_seconds{instance="node1"}'), "a scrape")
    path = collector.target("node1")
    shown = {}

    def watch():
        value, time = next(iter(collector.samples(path).of("node_time_seconds").values()))
        shown[round(time * 1000)] = value
        return len(shown) >= 6

    wait_for(watch, "six readings on the page")

    def stored():
        result = prometheus.query('node_time_seconds{job="node",instance="node1"}[5m]')
        points = result[0]["values"] if result else []
        return {round(time * 1000): float(value) for time, value in points}

    # A scrape a second may miss a reading; each point that it took is one that the page showed.
    def has_caught_up():
        points = stored()
        return points if max(points, default=0) >= max(shown) else None

    points = wait_for(has_caught_up, "the newest reading in Prometheus")
    both = set(points) & set(shown)
    assert len(both) >= 4
    assert {t: points[t] for t in both} == {t: shown[t] for t in both}
    between = {t for t in points if min(shown) <= t <= max(shown)}
    assert between <= set(shown)
    for time, value in shown.items():
        assert abs(value - time / 1000) < 0.5, "a reading's time is when it was taken"
