"""Fixtures of the system tests; what the programs logged stands under a test that failed."""

import subprocess
import sys

import pytest

import harness


@pytest.fixture
def bed(tmp_path):
    bed = harness.Bed(tmp_path)
    yield bed
    bed.close()


@pytest.fixture(scope="session")
def wire(tmp_path_factory):
    """The wire format's messages as Python modules: wire.frame_pb2, wire.session_pb2."""
    out = tmp_path_factory.mktemp("wire")
    proto = harness.ROOT / "proto"
    subprocess.run(["protoc", f"--proto_path={proto}", f"--python_out={out}",
                    proto / "shoal/v1/frame.proto", proto / "shoal/v1/session.proto"], check=True)
    sys.path.insert(0, str(out))
    import shoal.v1.frame_pb2
    import shoal.v1.session_pb2

    yield sys.modules["shoal.v1"]
    sys.path.remove(str(out))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    report = (yield).get_result()
    if report.failed and "bed" in getattr(item, "funcargs", {}):
        for name, tail in item.funcargs["bed"].tails():
            report.sections.append((f"log of {name}", tail))
