"""shoal-collector decode: a captured payload in words."""

import subprocess

import frames
from harness import BUILD, COLLECTOR_USER, PREFIX


def decode(path):
    return subprocess.run([BUILD / "collector/shoal-collector", "decode", path], text=True,
                          capture_output=True, timeout=30, check=False)


def test_captured_payload(bed, tmp_path):
    broker = bed.broker()
    topic = f"{PREFIX}/node1/frames"
    subscriber = frames.subscribe(bed, broker, COLLECTOR_USER, topic, "-C", 2, "-F", "%x")
    bed.collector(broker)
    bed.agent(broker)
    assert subscriber.wait_exit() == 0
    payloads = [bytes.fromhex(line) for line in subscriber.log().split()]
    path = tmp_path / "payload"
    path.write_bytes(max(payloads, key=len))  # the other is a probe for the time
    done = decode(path)
    assert done.returncode == 0, done.stderr
    for word in ("stream", "sequence", "node_load1", "gauge", "node_cpu_seconds_total", "counter"):
        assert word in done.stdout


def test_what_is_no_frame_is_refused(tmp_path):
    path = tmp_path / "junk"
    path.write_bytes(b"\xff" * 50)
    done = decode(path)
    assert done.returncode != 0
    assert str(path) in done.stderr
    missing = decode(tmp_path / "missing")
    assert missing.returncode != 0
    assert "No such file" in missing.stderr
