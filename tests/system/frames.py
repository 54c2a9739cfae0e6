"""Frames as a node on a microcontroller makes them, and ways to spoil them."""

import os
import struct
import time

import harness

BOOT_MS = 5_000_000  # the pretended boot-time clock of what is sent here


def new_stream():
    return int.from_bytes(os.urandom(8), "little") | 1


def key_frame(wire, stream, sequence=1, family="test_value", value=1.0, label=("place", "here")):
    """A key frame with one gauge, its value raw."""
    frame = wire.frame_pb2.Frame(stream=stream, sequence=sequence, key=sequence)
    frame.body.time_ms = BOOT_MS
    reading = frame.body.readings.add()
    reading.definition.name = "test"
    reading.definition.job = "node"
    reading.definition.interval_ms = 10_000
    reading.families.add(name=family, type=wire.frame_pb2.Family.GAUGE, help="A test's.")
    reading.series.add().labels.add(name=label[0], value=label[1])
    reading.raw_series.append(0)
    reading.raw.append(value)
    return frame


def envelope(wire, frame, first=None, ahead_ms=0):
    """The payload that carries a frame (a message, or bytes), stamped now."""
    message = wire.session_pb2.Envelope()
    message.frame = frame if isinstance(frame, bytes) else frame.SerializeToString()
    message.clock.utc_offset_ms = int(time.time() * 1000) - BOOT_MS + ahead_ms
    message.clock.source = wire.session_pb2.Clock.SYSTEM
    message.first = first if first is not None else getattr(frame, "key", 1)
    return message.SerializeToString()


def zstd_of_zeros(size, stated):
    """A zstd frame (RFC 8878) that unpacks to `size` zeros and states another size."""
    out = struct.pack("<IBI", 0xFD2FB528, 0xA0, stated)
    while size > 0:
        block = min(size, 128 * 1024)
        size -= block
        out += struct.pack("<I", (block << 3) | (1 << 1) | (size == 0))[:3] + b"\0"
    return out


class Acks:
    """What the collector tells a node: its acks, oldest first."""

    def __init__(self, bed, broker, node, wire):
        self.wire = wire
        self.process = subscribe(bed, broker, node, f"{harness.PREFIX}/{node}/acks", "-F", "%x")

    def all(self):
        lines = self.process.log().split()
        return [self.wire.session_pb2.Ack.FromString(bytes.fromhex(line)) for line in lines]

    def wait(self, condition, what):
        return harness.wait_for(lambda: next((a for a in self.all() if condition(a)), None), what)


def subscribe(bed, broker, user, topic, *arguments):
    """A running mosquitto_sub, subscribed; its log is what came."""
    name = f"subscriber-{len(bed.processes)}"
    command = broker.client("mosquitto_sub", user, "-i", name, "-t", topic, *arguments)
    process = bed.add(harness.Process(name, command, bed.log(name))).start()
    broker.process.wait_log(f"{name} 1 {topic}")
    return process
