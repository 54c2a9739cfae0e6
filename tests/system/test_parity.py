"""The agent and Debian's prometheus-node-exporter look at the same machine.

First at this one, at the same moment; then at the machines of the golden fixtures, which have
sensors and disks that this one lacks. Names, labels, types and helps must be equal, and so must the
values that stand still; counters lie between two scrapes around the agent's reading.
"""

import re
import subprocess

import pytest
from prometheus_client.parser import text_string_to_metric_families

import harness

AGENT = harness.BUILD / "agent/shoal-agent"
FIXTURES = harness.ROOT / "tests/fixtures/inputs"
INPUTS = ("cpu", "diskstats", "filefd", "filesystem", "hwmon", "loadavg", "meminfo", "netdev", "stat",
          "textfile", "time", "uname")

# Upstream's defaults, where Debian's package has others.
UPSTREAM = ("--collector.filesystem.mount-points-exclude=^/(dev|proc|run/credentials/.+|sys|"
            "var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
            "--collector.netdev.device-exclude=",
            "--collector.textfile.directory=")

# Each daemon's own.
OWN = re.compile(r"^(go_|process_|promhttp_|node_exporter_|shoal_)")

# Gauges that move both ways between two reads.
WANDERING = re.compile(
    r"^node_(procs_|load|disk_io_now|filefd_allocated|filesystem_(avail|free)_bytes|"
    r"filesystem_files_free|scrape_collector_duration|"
    r"memory_(?!.*Total|HugePages|Hugepagesize|Hugetlb|CommitLimit|DirectMap|Percpu))")

# What comes from the kernel and the clock, not from a fixture's files.
UNFIXED = re.compile(r"^node_(time_seconds|time_zone_offset_seconds|scrape_collector_)")

# The fixtures' options as flags of node_exporter.
FLAGS = {
    "cpu/old_kernel": ["--no-collector.cpu.guest"],
    "cpu/info_x86": ["--collector.cpu.info", "--collector.cpu.info.flags-include=^(aes|avx.?|nothing)$",
                     "--collector.cpu.info.bugs-include=^(mds|spectre_.*)$"],
    "diskstats/pi": ["--path.udev.data=rootfs/run/udev/data"],
    "diskstats/server": ["--path.udev.data=rootfs/udev"],
    "diskstats/linux_4_9": ["--path.udev.data=rootfs/none"],
    "diskstats/linux_4_18": ["--collector.diskstats.device-exclude=",
                             "--collector.diskstats.device-include=^sd[a-z]1$"],
    "netdev/server": [r"--collector.netdev.device-exclude=^(veth.*|docker\d+)$"],
    "stat/numa_server": ["--collector.stat.softirq"],
    "textfile/several": ["--collector.textfile.directory=rootfs/textfile"],
    "textfile/bad_files": ["--collector.textfile.directory=rootfs/t"],
    "textfile/no_directory": ["--collector.textfile.directory=rootfs/nowhere"],
}

# Where we mean to differ.
DIFFERENT = {
    "cpu/numa_server": "CPUs that are offline have no series; 1.5.0 gives them zeros",
    "cpu/info_arm": "cpuinfo is read the same way on every architecture",
    "cpu/info_absent": "without cpuinfo the times are still told",
    "filesystem/server": "a mount that hides another one of its name is told once",
    "filesystem/odd_names": "1.5.0 ends in a panic at a name that is not UTF-8",
    "filesystem/options": "an option that 1.5.0 has not",
    "hwmon/desktop": "two chips of one name; 1.5.0 gives either at random",
    "cpu/info_not_utf8": "1.5.0 ends in a panic at a name that is not UTF-8",
    "netdev/odd_names": "1.5.0 ends in a panic at a name that is not UTF-8",
    "textfile/own_names": "the file gives way; 1.5.0 fails as a whole",
    "netdev/include": "1.5.0 takes an include or an exclude, not both",
    "textfile/conflicts": "the first file holds; 1.5.0 fails as a whole",
    "diskstats/server": "1.5.0 ends in a panic at a model that is not UTF-8",
    "stat/empty": "what the kernel does not say is not told; 1.5.0 says 0",
    "stat/old_kernel": "what the kernel does not say is not told; 1.5.0 says 0",
    "textfile/folder": "a folder is an error; 1.5.0 takes it for an empty file",
    "uname/pi": "uname(2) is asked, whatever the fixture",
    "uname/odd_names": "uname(2) is asked, whatever the fixture",
}


class Page:
    """A page in the text format: samples, types and helps. A label without a value is as none."""

    def __init__(self, text):
        self.text = text
        self.samples = {}
        self.families = {}
        for family in text_string_to_metric_families(text):
            if OWN.match(family.name):
                continue
            self.families[family.name] = (family.type, family.documentation)
            for sample in family.samples:
                labels = frozenset((k, v) for k, v in sample.labels.items() if v)
                assert (sample.name, labels) not in self.samples, f"{sample.name} twice"
                self.samples[sample.name, labels] = sample.value

    def without(self, pattern):
        self.samples = {key: v for key, v in self.samples.items() if not pattern.match(key[0])}
        self.families = {name: v for name, v in self.families.items() if not pattern.match(name)}
        return self

    def type_of(self, name):
        for family in (name, re.sub(r"_(total|bucket|sum|count)$", "", name)):
            if family in self.families:
                return self.families[family][0]
        raise AssertionError(f"{name} belongs to no family")


class Exporter:
    """prometheus-node-exporter with the inputs that we have."""

    def __init__(self, directory, inputs, flags, cwd=None):
        self.port = harness.free_port()
        argv = ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{self.port}",
                "--collector.disable-defaults", *(f"--collector.{name}" for name in inputs),
                *(flag for flag in UPSTREAM if flag.split("=")[0] not in "\n".join(flags)), *flags]
        self.process = harness.Process("node_exporter", argv, directory / "node_exporter.log", cwd=cwd)

    def __enter__(self):
        self.process.start()
        harness.wait_for(lambda: harness.accepts(self.port), "node_exporter to listen")
        return self

    def __exit__(self, *_):
        self.process.stop()

    def page(self):
        return Page(harness.get(f"http://127.0.0.1:{self.port}/metrics").text)


def agent_page(directory, settings, cwd=None, extra=None):
    """What shoal-agent --once prints."""
    file = directory / "agent.yaml"
    file.write_text(harness.yaml(settings) + "\n")
    files = ["--config", file] + (["--config", extra] if extra else [])
    done = subprocess.run([AGENT, *files, "--once"], capture_output=True, check=True,
                          timeout=harness.DEADLINE, cwd=cwd)
    return Page(done.stdout.decode())


def show(keys):
    return "\n".join(f"  {name}{dict(sorted(labels))}" for name, labels in sorted(keys, key=str))


def assert_same_series(ours, theirs):
    missing = theirs.samples.keys() - ours.samples.keys()
    surplus = ours.samples.keys() - theirs.samples.keys()
    assert not missing, "series that only node_exporter has:\n" + show(missing)
    assert not surplus, "series that only the agent has:\n" + show(surplus)
    assert ours.families == theirs.families


def is_near(a, b):
    """Equal but for the last bits: node_exporter multiplies by 0.001 where we divide by 1000."""
    return a == b or a != a and b != b or abs(a - b) <= 1e-12 * max(abs(a), abs(b))


def differing_values(ours, before, after):
    """Values of ours that do not lie between the two scrapes."""
    wrong = []
    for key, value in ours.samples.items():
        low, high = sorted((before.samples[key], after.samples[key]))
        if key[0] == "node_time_seconds":
            low -= 0.001  # ours has milliseconds
        if WANDERING.match(key[0]) or is_near(value, low) or is_near(value, high) or low < value < high:
            continue
        wrong.append(f"{key[0]}{dict(key[1])}: {value}, not in {low} to {high}")
    return wrong


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """Pages of this machine: node_exporter's before and after ours. A gauge may swing in the
    meantime, so up to five times are tried."""
    directory = tmp_path_factory.mktemp("live")
    (directory / "texts").mkdir()
    (directory / "texts/one.prom").write_text("# TYPE queue_length gauge\nqueue_length{q=\"a\"} 3\n")
    settings = {"state_directory": directory / "state",
                "broker": {"host": "127.0.0.1"},
                "inputs": {"textfile": {"directory": directory / "texts"},
                           "stat": {"softirq": True}, "cpu": {"info": True}}}
    flags = [f"--collector.textfile.directory={directory / 'texts'}", "--collector.stat.softirq",
             "--collector.cpu.info"]
    with Exporter(directory, INPUTS, flags) as exporter:
        for _ in range(5):
            before = exporter.page()
            ours = agent_page(directory, settings)
            after = exporter.page()
            if before.samples.keys() == ours.samples.keys() == after.samples.keys() and \
                    not differing_values(ours, before, after):
                break
        return ours, before, after


def test_live_series_are_the_same(live):
    ours, before, _ = live
    assert_same_series(ours, before)


def test_live_values_agree(live):
    wrong = differing_values(*live)
    assert not wrong, "\n".join(wrong)


def test_live_has_each_input(live):
    ours, _, _ = live
    told = {dict(labels)["collector"] for name, labels in ours.samples if name == "node_scrape_collector_success"}
    assert told == set(INPUTS)


def complaints(text):
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True,
                          timeout=harness.DEADLINE, check=False)
    return set((done.stdout + done.stderr).splitlines())


def test_promtool_has_no_further_complaint(live):
    ours, before, _ = live
    assert complaints(ours.text) <= complaints(before.text)


def machines():
    cases = (path.parent for path in sorted(FIXTURES.glob("*/*/want.prom")))
    return [f"{case.parent.name}/{case.name}" for case in cases]


def copy_case(case, directory):
    """A fixture's directories, each there although it may be empty."""
    for part in ("proc", "sys", "rootfs"):
        if (case / part).exists():
            subprocess.run(["cp", "-a", case / part, directory / part], check=True)
        else:
            (directory / part).mkdir()


@pytest.mark.parametrize("name", machines())
def test_machine(name, tmp_path):
    if name in DIFFERENT:
        pytest.skip(DIFFERENT[name])
    case = FIXTURES / name
    copy_case(case, tmp_path)
    settings = {"state_directory": tmp_path / "state",
                "broker": {"host": "127.0.0.1"},
                "host": {part: tmp_path / part for part in ("proc", "sys", "rootfs")},
                "inputs": {other: {"enabled": other == case.parent.name} for other in INPUTS}}
    config = case / "config.yaml"
    flags = [f"--path.procfs={tmp_path / 'proc'}", f"--path.sysfs={tmp_path / 'sys'}",
             f"--path.rootfs={tmp_path / 'rootfs'}", "--no-collector.netdev.netlink",
             *FLAGS.get(name, [])]
    with Exporter(tmp_path, [case.parent.name], flags, cwd=tmp_path) as exporter:
        theirs = exporter.page().without(UNFIXED)
    ours = agent_page(tmp_path, settings, cwd=tmp_path,
                      extra=config if config.exists() else None).without(UNFIXED)
    if case.parent.name == "netdev":
        ours.without(re.compile("node_network_receive_nohandler"))  # theirs has it by netlink only
    assert_same_series(ours, theirs)
    wrong = [f"{key}: {value}, not {theirs.samples[key]}" for key, value in ours.samples.items()
             if not is_near(value, theirs.samples[key])
             # Of a file system that is in use.
             and not (case.parent.name == "filesystem" and WANDERING.match(key[0]))]
    assert not wrong, "\n".join(wrong)
