"""A hostile node's frames are refused, counted under it, and cost another node nothing."""

import time

import pytest

import frames
import harness
from harness import PREFIX, wait_for


@pytest.fixture(scope="module")
def scene(tmp_path_factory, wire):
    """A collector with an honest node1; node2's credentials are the hostile's."""
    bed = harness.Bed(tmp_path_factory.mktemp("hostile"))
    broker = bed.broker(users=("node1", "node2", "node3", "bad id", "-bad"))
    collector = bed.collector(broker)
    bed.agent(broker, "node1")
    collector.wait_node("node1")
    acks = frames.Acks(bed, broker, "node2", wire)
    yield Scene(bed, broker, collector, acks)
    bed.close()


class Scene:
    def __init__(self, bed, broker, collector, acks):
        self.bed = bed
        self.broker = broker
        self.collector = collector
        self.acks = acks

    def send(self, payload, user="node2"):
        complaint = self.broker.publish(user, f"{PREFIX}/{user}/frames", payload)
        assert complaint == "", complaint

    def rejected(self, reason):
        return self.collector.own().value("shoal_node_rejected_total", node="node2", reason=reason) or 0

    def stored(self):
        return self.collector.own().value("shoal_node_frames_total", node="node2") or 0

    def assert_node1_goes_on(self):
        frames_now = self.collector.own().value("shoal_node_frames_total", node="node1")
        self.collector.wait_node("node1", frames_now + 1)
        assert self.collector.get(self.collector.target("node1")).status == 200
        assert self.collector.own().value("shoal_node_gap_frames_total", node="node1") == 0


def test_a_node_that_only_says_that_it_is_there_takes_no_target_away(scene, wire):
    status = wire.session_pb2.Status(online=True, version="1")
    scene.broker.publish("node2", f"{PREFIX}/node2/status", status.SerializeToString())
    wait_for(lambda: scene.collector.own().value("shoal_node_online", node="node2"), "the status")
    scene.assert_node1_goes_on()


def garbage(wire):
    return b"\xff" * 100


def truncated(wire):
    return frames.envelope(wire, frames.key_frame(wire, frames.new_stream()).SerializeToString()[:-9])


def oversized(wire):
    frame = frames.key_frame(wire, frames.new_stream(), label=("place", "x" * 200_000))
    return frames.envelope(wire, frame)


def unknown_series(wire):
    frame = frames.key_frame(wire, frames.new_stream())
    frame.body.readings[0].raw_series[0] = 900
    return frames.envelope(wire, frame)


def unknown_family(wire):
    frame = frames.key_frame(wire, frames.new_stream())
    frame.body.readings[0].series[0].family = 7
    return frames.envelope(wire, frame)


def more_ids_than_values(wire):
    frame = frames.key_frame(wire, frames.new_stream())
    frame.body.readings[0].raw_series.extend([0, 0, 0])
    return frames.envelope(wire, frame)


def zstd_bomb(wire):
    frame = frames.key_frame(wire, frames.new_stream())
    frame.zstd = frames.zstd_of_zeros(1 << 30, stated=1 << 30)
    return frames.envelope(wire, frame)


def lying_zstd_bomb(wire):
    frame = frames.key_frame(wire, frames.new_stream())
    frame.zstd = frames.zstd_of_zeros(1 << 30, stated=100)
    return frames.envelope(wire, frame)


def invalid_utf8(wire):
    frame = frames.key_frame(wire, frames.new_stream(), label=("place", "REPLACED"))
    return frames.envelope(wire, frame.SerializeToString().replace(b"REPLACED", b"\xff\xfe\xfd\xfc" * 2))


def line_feed_in_name(wire):
    return frames.envelope(wire, frames.key_frame(wire, frames.new_stream(), family="evil 1\nup"))


def line_feed_in_label_name(wire):
    return frames.envelope(wire, frames.key_frame(wire, frames.new_stream(), label=("a\nb", "c")))


def wrong_crc(wire):
    frame = frames.key_frame(wire, frames.new_stream())
    frame.crc = 1
    return frames.envelope(wire, frame)


def collectors_own_family(wire):
    return frames.envelope(wire, frames.key_frame(wire, frames.new_stream(), family="shoal_node_up"))


def scrapes_own_family(wire):
    return frames.envelope(wire, frames.key_frame(wire, frames.new_stream(), family="up"))


@pytest.mark.parametrize("make, reasons", [
    (garbage, ["malformed"]),
    (truncated, ["malformed"]),
    (oversized, ["too_large"]),
    (unknown_series, ["malformed"]),
    (unknown_family, ["malformed"]),
    (more_ids_than_values, ["malformed"]),
    (zstd_bomb, ["too_large"]),
    (lying_zstd_bomb, ["malformed", "too_large"]),
    (invalid_utf8, ["malformed", "bad_name"]),
    (line_feed_in_name, ["bad_name"]),
    (line_feed_in_label_name, ["bad_name"]),
    (wrong_crc, ["bad_crc"]),
    (collectors_own_family, ["reserved"]),
    (scrapes_own_family, ["reserved"]),
])
def test_bad_frame_is_refused(scene, wire, make, reasons):
    before = sum(map(scene.rejected, reasons))
    stored = scene.stored()
    scene.send(make(wire))
    wait_for(lambda: sum(map(scene.rejected, reasons)) == before + 1, f"a rejection: {reasons}")
    assert scene.stored() == stored
    scene.assert_node1_goes_on()


def test_the_node_is_told_why(scene, wire):
    stream = frames.new_stream()
    scene.send(frames.envelope(wire, frames.key_frame(wire, stream, family="two words")))
    ack = scene.acks.wait(lambda a: a.stream == stream and a.HasField("rejected"), "the rejection")
    assert ack.rejected.sequence == 1
    assert ack.rejected.reason == wire.session_pb2.Rejected.BAD_NAME
    assert ack.rejected.text


def test_the_log_names_the_node_and_the_reason(scene, wire):
    for family in ("two words", "two more"):
        frame = frames.key_frame(wire, frames.new_stream(), family=family)
        scene.send(frames.envelope(wire, frame), user="node3")
    wait_for(lambda: (scene.collector.own().value(
        "shoal_node_rejected_total", node="node3", reason="bad_name") or 0) == 2, "both rejections")
    lines = [line for line in scene.collector.process.log().splitlines() if "node3" in line]
    assert len(lines) == 1, "the first of a node; the others are counted"
    assert "two words" in lines[0]


@pytest.mark.parametrize("node", ["bad id", "-bad"])
def test_topic_of_no_node_is_counted(scene, wire, node):
    before = scene.collector.own().value("shoal_collector_bad_topics_total")
    scene.send(frames.envelope(wire, frames.key_frame(wire, frames.new_stream())), user=node)
    wait_for(lambda: scene.collector.own().value("shoal_collector_bad_topics_total") == before + 1,
             "the counter of bad topics")
    assert node not in scene.collector.get("/sd").text
    scene.assert_node1_goes_on()


def test_frames_out_of_order_are_asked_for(scene, wire):
    stream = frames.new_stream()
    frame = wire.frame_pb2.Frame(stream=stream, sequence=5, key=1)
    frame.body.time_ms = frames.BOOT_MS
    scene.send(frames.envelope(wire, frame))
    scene.acks.wait(lambda a: a.stream == stream and a.resend_from == 1, "the request for frame 1")


def test_microcontrollers_frame_is_taken_and_conflict_refused(scene, wire):
    stream = frames.new_stream()
    scene.send(frames.envelope(wire, frames.key_frame(wire, stream, value=1.5)))
    scene.acks.wait(lambda a: a.stream == stream and a.committed == 1, "the ack of frame 1")
    page = scene.collector.target("node2")
    assert scene.collector.samples(page).value("test_value", place="here") == 1.5

    before = scene.rejected("conflict")
    scene.send(frames.envelope(wire, frames.key_frame(wire, stream, value=2.5)))
    wait_for(lambda: scene.rejected("conflict") == before + 1, "the conflict")
    assert scene.collector.samples(page).value("test_value", place="here") == 1.5


def test_duplicate_is_acked_again_and_stored_once(scene, wire):
    stream = frames.new_stream()
    payload = frames.envelope(wire, frames.key_frame(wire, stream))
    scene.send(payload)
    scene.acks.wait(lambda a: a.stream == stream and a.committed == 1, "the ack of frame 1")
    before = scene.collector.own()
    scene.send(payload)
    name = "shoal_node_duplicate_frames_total"
    wait_for(lambda: scene.collector.own().value(name, node="node2")
             == before.value(name, node="node2") + 1, "the duplicate")
    assert (scene.collector.own().value("shoal_node_frames_total", node="node2")
            == before.value("shoal_node_frames_total", node="node2"))
    assert len([a for a in scene.acks.all() if a.stream == stream and a.committed == 1]) >= 2


def test_claim_of_the_future_is_not_believed(scene, wire):
    stream = frames.new_stream()
    frame = frames.key_frame(wire, stream, family="test_future")
    scene.send(frames.envelope(wire, frame, ahead_ms=24 * 3600 * 1000))
    scene.acks.wait(lambda a: a.stream == stream and a.committed == 1, "the ack of frame 1")
    _, stamp = next(iter(scene.collector.samples(
        scene.collector.target("node2")).of("test_future").values()))
    assert abs(stamp - time.time()) < 60
