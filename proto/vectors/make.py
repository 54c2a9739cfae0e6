#!/usr/bin/env python3
"""Writes the test vectors beside it: frames as another implementation makes them, with what a
receiver has to know after each. Needs protoc and Python's protobuf library, nothing of shoal's.

A vector is a text file: lines of description after '#', then for each frame of the stream, in
order, the line 'frame', its bytes in hexadecimal, and either 'refused REASON' or all that is known
then: node labels, inputs, and of each series type, name, labels and the value's 64 bits (what
follows two blanks and a '#' is for people).
"""

import pathlib
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
NAN_WITH_PAYLOAD = 0x7FF4_0000_00AB_CDEF


def load_messages():
    with tempfile.TemporaryDirectory() as out:
        proto = HERE.parent
        subprocess.run(["protoc", f"--proto_path={proto}", f"--python_out={out}",
                        proto / "shoal/v1/frame.proto"], check=True)
        sys.path.insert(0, out)
        import shoal.v1.frame_pb2 as messages
    return messages


pb = load_messages()


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def bits(value):
    return struct.unpack("<Q", struct.pack("<d", value))[0]


def from_bits(number):
    return struct.unpack("<d", struct.pack("<Q", number))[0]


class Vector:
    """One file: frames of a stream, and what is known after each."""

    def __init__(self, name, description):
        self.name = name
        self.lines = [f"# {line}".rstrip() for line in description.strip().split("\n")]
        self.crc = 0

    def frame(self, frame, with_crc=True, spoil=0):
        """Adds a message, its CRC last, as the format wants it."""
        data = frame.SerializeToString(deterministic=True)
        before = 0 if frame.sequence == frame.key else self.crc
        self.crc = crc32c(struct.pack("<I", before) + data)
        if with_crc:
            data += b"\x7d" + struct.pack("<I", self.crc ^ spoil)
        self.bytes(data)

    def bytes(self, data):
        self.lines += ["", "frame"]
        text = data.hex()
        self.lines += [text[i:i + 96] for i in range(0, len(text), 96)]

    def label(self, name, value):
        self.lines.append(f'node label {name}="{value}"')

    def input(self, name, job, time_ms, instance="", interval_ms=0, marks=""):
        self.lines.append(f'input {name} job={job} instance={instance} interval_ms={interval_ms} '
                          f'time_ms={time_ms}{marks}')

    def series(self, kind, series, number):
        """A series with a value, or with the bits of one."""
        raw = number if isinstance(number, int) else bits(number)
        self.lines.append(f"{kind} {series} {raw:016x}  # {from_bits(raw)!r}")

    def refused(self, reason):
        self.lines.append(f"refused {reason}")

    def write(self):
        (HERE / f"{self.name}.txt").write_text("\n".join(self.lines) + "\n")


def new_frame(sequence=1, key=1, time_ms=5000):
    frame = pb.Frame(stream=0x1122334455667788, sequence=sequence, key=key)
    frame.body.time_ms = time_ms
    return frame


def add_reading(frame, name="", job="node", interval_ms=0, families=(), **fields):
    reading = frame.body.readings.add(**fields)
    if name:
        reading.definition.name = name
        reading.definition.job = job
        reading.definition.interval_ms = interval_ms
    for family, kind, help_text in families:
        reading.families.add(name=family, type=kind, help=help_text)
    return reading


def add_series(reading, family=0, suffix=0, **labels):
    series = reading.series.add(family=family, suffix=suffix)
    for name in sorted(labels):
        series.labels.add(name=name, value=labels[name])


GAUGE = [("test_celsius", pb.Family.GAUGE, "A temperature.")]


def minimal():
    vector = Vector("minimal", """
What a microcontroller sends: one key frame, raw doubles, no CRC, and nothing that may be left out.
Each of its frames is a group of its own.""")
    for sequence, values in ((1, (21.5, -0.1)), (2, (21.75, 3.0))):
        frame = new_frame(sequence, sequence, 60_000 * sequence)
        reading = add_reading(frame, "sensor", "garden", families=GAUGE)
        add_series(reading, place="air")
        add_series(reading, place="soil")
        reading.raw_series.extend([0, 0])
        reading.raw.extend(values)
        vector.frame(frame, with_crc=False)
        vector.input("sensor", "garden", 60_000 * sequence)
        vector.series("gauge", 'test_celsius{place="air"}', values[0])
        vector.series("gauge", 'test_celsius{place="soil"}', values[1])
    vector.write()


def unpacked():
    """The lists element by element, the reading's fields out of order, an unknown field."""
    vector = Vector("unpacked", """
The same from an encoder that writes lists element by element, and a packed list in two pieces, as
protobuf allows; with fields that a later version may have.""")
    def field(number, data):
        return bytes([number << 3 | 2, len(data)]) + data
    definition = field(1, b"sensor") + field(2, b"garden")
    family = field(1, b"test_celsius") + b"\x10\x02" + field(9, b"later")
    reading = (b"\x58\x00" + b"\x58\x00" + field(11, b"\x00")
               + b"\x61" + struct.pack("<d", 1.5) + field(12, struct.pack("<dd", 2.5, 3.5))
               + b"\xb8\x01\x05" + field(5, field(3, field(1, b"i") + field(2, b"0")))
               + field(5, field(3, field(1, b"i") + field(2, b"1")))
               + field(5, field(3, field(1, b"i") + field(2, b"2")))
               + field(4, family) + field(3, definition))
    body = field(2, reading) + b"\x08\x64"
    data = b"\x18\x01\x10\x01\x09" + struct.pack("<Q", 5)
    data += b"\x22" + varint(len(body)) + body
    vector.bytes(data)
    vector.input("sensor", "garden", 100)
    for i, value in enumerate((1.5, 2.5, 3.5)):
        vector.series("gauge", f'test_celsius{{i="{i}"}}', value)
    vector.write()


def varint(number):
    out = b""
    while number >= 128:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def values():
    vector = Vector("values", """
Every way to give a value: decimals at the bounds of mantissa and exponent, units of 2^k, and raw
doubles that no decimal is (a NaN's payload and the sign of zero have to stay).""")
    scaled = [(0, 0, 0.0), (1234567, -2, 12345.67), (-5, -1, -0.5), (1, -22, 1e-22), (1, 22, 1e22),
              (999999999999999, 22, 999999999999999e22), (-999999999999999, -22, -9.99999999999999e-08),
              (3, -1, 0.3), (123456, 32 + 12, 123456.0 * 4096), (-1, 32 + 31, -2147483648.0),
              (465661, 63, 465661.0 * 2**31)]
    raw = [bits(-0.0), bits(float("inf")), bits(float("-inf")), NAN_WITH_PAYLOAD,
           0xFFF8000000000001, 1, bits(0.1 + 0.2), bits(1.7976931348623157e308)]
    frame = new_frame()
    reading = add_reading(frame, "values", families=GAUGE)
    for i in range(len(scaled) + len(raw)):
        add_series(reading, i=str(i))
    reading.scaled_series.extend([0] * len(scaled))
    reading.mantissa.extend(mantissa for mantissa, _, _ in scaled)
    reading.exponent.extend(exponent for _, exponent, _ in scaled)
    reading.raw_series.extend([len(scaled)] + [0] * (len(raw) - 1))
    reading.raw.extend(from_bits(number) for number in raw)
    # Python may quieten a signalling NaN on its way through a float.
    struct_raw = b"".join(struct.pack("<Q", number) for number in raw)
    data = frame.SerializeToString(deterministic=True)
    start = data.index(struct.pack("<Q", raw[0]) + struct.pack("<Q", raw[1]))
    vector.bytes(data[:start] + struct_raw + data[start + len(struct_raw):])
    vector.input("values", "node", 5000)
    for i, (_, _, value) in enumerate(scaled):
        vector.series("gauge", f'test_celsius{{i="{i}"}}', value)
    for i, number in enumerate(raw):
        vector.series("gauge", f'test_celsius{{i="{i + len(scaled)}"}}', number)
    vector.write()


def group():
    vector = Vector("group", """
A group of two inputs: predictions of gauges and counters, ids as gaps and as bits, a series that
goes and comes back under a new id, a repeat, predictions that start anew; CRCs chained.""")
    counter = ("test_seconds_total", pb.Family.COUNTER, "Time.")

    def known(time_ms, other_ms, gauges, counters, marks=""):
        vector.label("site", "roof")
        vector.input("first", "node", time_ms, interval_ms=15000)
        for label, value in gauges:
            vector.series("gauge", f'test_celsius{{i="{label}"}}', value)
        for label, value in counters:
            vector.series("counter", f'test_seconds_total{{i="{label}"}}', value)
        vector.input("second", "other", other_ms, interval_ms=60000, marks=marks)
        vector.series("gauge", "test_celsius{}", 1.0)

    frame = new_frame(7, 7)
    frame.body.node_labels.add(name="site", value="roof")
    reading = add_reading(frame, "first", interval_ms=15000, families=GAUGE + [counter])
    add_series(reading, i="0")
    add_series(reading, i="1")
    add_series(reading, 1, i="2")
    reading.scaled_series.extend([0, 0, 0])
    reading.mantissa.extend([215, 4, 100])
    reading.exponent.extend([-1, 32 + 10, -2])
    reading = add_reading(frame, "second", "other", interval_ms=60000, families=GAUGE,
                          time_offset_ms=3)
    add_series(reading)
    reading.scaled_series.append(0)
    reading.mantissa.append(1)
    reading.exponent.append(0)
    vector.frame(frame)
    known(5000, 5003, [("0", 21.5), ("1", 4096.0)], [("2", 1.0)])

    # Gauges: the difference. Counters: the difference from last value plus last step (still 0).
    frame = new_frame(8, 7, 20000)
    reading = add_reading(frame)
    reading.delta_series.extend([0, 0, 0])
    reading.delta.extend([-10, 1, 1500])
    vector.frame(frame)
    known(20000, 5003, [("0", 20.5), ("1", 5120.0)], [("2", 16.0)])

    # The counter goes on at its pace, one gauge is gone, the other moves; the input that is skipped
    # has not been read. The second one is repeated.
    frame = new_frame(9, 7, 35000)
    reading = add_reading(frame)
    reading.delta_bits = b"\x05"
    reading.delta.extend([10, 0])
    reading.gone.append(1)
    reading = add_reading(frame, repeat=True)
    vector.frame(frame)
    known(35000, 35000, [("0", 21.5)], [("2", 31.0)], " repeat")

    # What was gone comes back under another id. A finer exponent starts the prediction anew, and so
    # does the counter's reset; the second input is read before the first.
    frame = new_frame(10, 7, 50000)
    add_reading(frame, input_gap=1)
    reading = add_reading(frame, input_gap=-2)
    add_series(reading, i="1")
    reading.scaled_series.extend([0, 1, 0])
    reading.mantissa.extend([2151, 0, 7])
    reading.exponent.extend([-2, -2, 0])
    vector.frame(frame)
    known(50000, 50000, [("0", 21.51)], [("2", 0.0)])
    move_last_gauge(vector, 7.0)

    frame = new_frame(11, 7, 65000)
    reading = add_reading(frame)
    reading.delta_series.extend([0, 1, 0])
    reading.delta.extend([-1, 1500, -8])
    vector.frame(frame)
    known(65000, 50000, [("0", 21.5)], [("2", 15.0)])
    move_last_gauge(vector, -1.0)
    vector.write()


def move_last_gauge(vector, value):
    """The series that came back has the highest id of its input, so it stands last there."""
    at = next(i for i in range(len(vector.lines) - 1, 0, -1)
              if vector.lines[i].startswith("input second"))
    tail = vector.lines[at:]
    del vector.lines[at:]
    vector.series("gauge", 'test_celsius{i="1"}', value)
    vector.lines += tail


def plain():
    vector = Vector("plain", """
Plain readings: which inputs, which of their series, and by how much, each in one field for all of
them. The second input has ten series, so that its bits take two bytes; the third is told in a
message, because it has more to say.""")

    def known(time_ms, first, second, third):
        vector.input("first", "node", time_ms)
        vector.series("gauge", "test_celsius{}", first)
        vector.input("second", "node", time_ms)
        for i, value in enumerate(second):
            vector.series("gauge", f'test_celsius{{i="{i}"}}', value)
        vector.input("third", "node", time_ms)
        vector.series("gauge", "test_celsius{}", third)

    frame = new_frame()
    for name, n in (("first", 1), ("second", 10), ("third", 1)):
        reading = add_reading(frame, name, families=GAUGE)
        for i in range(n):
            add_series(reading, **({"i": str(i)} if n > 1 else {}))
        reading.scaled_series.extend([0] * n)
        reading.mantissa.extend(range(n))
        reading.exponent.extend([0] * n)
    vector.frame(frame)
    known(5000, 0.0, [float(i) for i in range(10)], 0.0)

    frame = new_frame(2, 1, 6000)
    frame.body.plain = b"\x03"
    frame.body.changed = b"\x01" + b"\x04\x02"
    frame.body.delta.extend([7, -1, 100])
    reading = add_reading(frame, input_gap=2)
    reading.raw_series.append(0)
    reading.raw.append(-0.0)
    vector.frame(frame)
    known(6000, 7.0, [0.0, 1.0, 1.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 109.0], -0.0)
    vector.write()


def more():
    vector = Vector("more", """
A reading that goes on in a second frame: there it has the same input and time, and its samples
count once it is whole.""")
    frame = new_frame()
    reading = add_reading(frame, "large", families=GAUGE, more=True)
    add_series(reading, i="0")
    reading.raw_series.append(0)
    reading.raw.append(1.0)
    vector.frame(frame)
    vector.input("large", "node", 5000, marks=" more")
    vector.series("gauge", 'test_celsius{i="0"}', 1.0)
    frame = new_frame(2, 1, 4000)
    reading = add_reading(frame, time_offset_ms=1000)
    add_series(reading, i="1")
    reading.raw_series.append(1)
    reading.raw.append(2.0)
    vector.frame(frame)
    vector.input("large", "node", 5000)
    vector.series("gauge", 'test_celsius{i="0"}', 1.0)
    vector.series("gauge", 'test_celsius{i="1"}', 2.0)
    vector.write()


def zstd_frame(content):
    """RFC 8878: magic, a header that states the size in four bytes, one raw block."""
    block = len(content) << 3 | 1
    return struct.pack("<IBI", 0xFD2FB528, 0xA0, len(content)) + struct.pack("<I", block)[:3] + content


def compressed():
    vector = Vector("zstd", """
A body within a zstd frame, whose header states the size of its content.""")
    frame = new_frame()
    reading = add_reading(frame, "sensor", families=GAUGE)
    add_series(reading)
    reading.raw_series.append(0)
    reading.raw.append(1.0)
    frame.zstd = zstd_frame(frame.body.SerializeToString(deterministic=True))
    vector.frame(frame)
    vector.input("sensor", "node", 5000)
    vector.series("gauge", "test_celsius{}", 1.0)
    vector.write()


def histogram():
    vector = Vector("histogram", """
Parts of a histogram and a summary: a suffix on the family's name; types, help and unit.""")
    frame = new_frame()
    reading = add_reading(frame, "app", "web", families=[
        ("test_size_bytes", pb.Family.HISTOGRAM, "Sizes,\nof all kinds."),
        ("test_wait_seconds", pb.Family.SUMMARY, "")])
    reading.families[0].unit = "bytes"
    reading.definition.instance = "roof:8080"
    add_series(reading, 0, pb.Series.BUCKET, le="1")
    add_series(reading, 0, pb.Series.BUCKET, le="+Inf")
    add_series(reading, 0, pb.Series.SUM)
    add_series(reading, 0, pb.Series.COUNT)
    add_series(reading, 1, quantile="0.5", path="/\u00e4")
    reading.scaled_series.extend([0] * 5)
    reading.mantissa.extend([3, 5, 1234, 5, 25])
    reading.exponent.extend([0, 0, 1, 0, -3])
    vector.frame(frame)
    vector.input("app", "web", 5000, instance="roof:8080")
    vector.series("histogram", 'test_size_bytes_bucket{le="1"}', 3.0)
    vector.series("histogram", 'test_size_bytes_bucket{le="+Inf"}', 5.0)
    vector.series("histogram", "test_size_bytes_sum{}", 12340.0)
    vector.series("histogram", "test_size_bytes_count{}", 5.0)
    vector.series("summary", 'test_wait_seconds{path="/\u00e4",quantile="0.5"}', 0.025)
    vector.write()


def refused():
    vector = Vector("refused", """
What has to be refused. Each is a key frame, so that none hangs on another; the last is good.""")
    def simple(sequence, family="test_celsius", label="here", series_id=0):
        frame = new_frame(sequence, sequence)
        reading = add_reading(frame, "sensor", families=[(family, pb.Family.GAUGE, "")])
        add_series(reading, place=label)
        reading.raw_series.append(series_id)
        reading.raw.append(1.0)
        return frame
    vector.frame(simple(1), spoil=1)
    vector.refused("bad_crc")
    vector.frame(simple(2, family="two\nlines"))
    vector.refused("bad_name")
    vector.frame(simple(3, label=""))
    vector.refused("bad_name")
    vector.frame(simple(4, series_id=900))
    vector.refused("malformed")
    frame = simple(5)
    frame.zstd = struct.pack("<IBI", 0xFD2FB528, 0xA0, 2**31)
    vector.frame(frame)
    vector.refused("too_large")
    frame = simple(6)
    frame.stream = 0
    vector.frame(frame)
    vector.refused("malformed")
    frame = simple(7)
    frame.body.time_ms = 2**60
    vector.frame(frame)
    vector.refused("bad_time")
    vector.bytes(simple(8).SerializeToString()[:-1])
    vector.refused("malformed")
    vector.frame(simple(9))
    vector.input("sensor", "node", 5000)
    vector.series("gauge", 'test_celsius{place="here"}', 1.0)
    vector.write()


def main():
    for make in (minimal, unpacked, values, group, plain, more, compressed, histogram, refused):
        make()


if __name__ == "__main__":
    main()
