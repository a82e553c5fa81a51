# SPDX-License-Identifier: Apache-2.0
"""What is pinned, and what `make audit` makes of the service's answers."""

import os
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import audit  # noqa: E402

FILES = sorted(audit.REQUIREMENTS.glob("*.txt"))
ROS = os.environ.get("ROS_DISTRO")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_line_is_a_pin(path):
    assert audit.pins([path])


@pytest.mark.parametrize("line", ["torch", "torch>=2", "torch==2.*", "-r core.txt", "--pre"])
def test_what_pins_nothing_is_named(line, tmp_path):
    path = tmp_path / "some.txt"
    path.write_text(f"# text\nnumpy==2.4.6\n{line}\n")
    with pytest.raises(audit.NotAudited, match="some.txt, line 3: .*expected NAME==VERSION"):
        audit.pins([path])


@pytest.mark.skipif(ROS not in ("kilted", "jazzy"), reason="no environment of wheels")
def test_what_is_installed_is_what_is_pinned_and_so_is_all_that_it_needs():
    """Requirements and lock together are closed: nothing comes in by a version of its own."""
    names = ("core", "training", "bag", "test", "build", f"ros-{ROS}", f"lock-{ROS}")
    pinned = dict(sorted(audit.pins(audit.REQUIREMENTS / f"{name}.txt" for name in names)))
    seen, left = set(), [canonicalize_name(name) for name in pinned]
    for name in left:
        if name in seen:
            continue
        seen.add(name)
        assert name in pinned, f"{name} is pinned nowhere"
        try:
            installed = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # of another Python
        for text in installed.requires or ():
            need = Requirement(text)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                left.append(canonicalize_name(need.name))
    versions = {name: metadata.version(name) for name in ("lightning", "hypothesis", "tqdm")}
    assert versions == {name: pinned[name] for name in versions}
    assert len(seen) > 100


def test_every_version_is_asked_for_once():
    wanted = audit.pins(FILES)
    lists = list(audit.lists(wanted))
    assert sorted(line for lines in lists for line in lines) == sorted("==".join(p) for p in wanted)
    for lines in lists:
        names = [line.split("==")[0] for line in lines]
        assert len(names) == len(set(names))
    assert {"numpy==2.2.6", "numpy==2.4.6"} <= {line for lines in lists for line in lines}


GOOD = {"name": "tqdm", "version": "4.70.1", "vulns": []}
WHEEL = {"name": "ros-rclpy", "skip_reason": "Dependency not found on PyPI"}
BAD = {
    "name": "some",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.1", "2.0"]}, {"id": "X-2", "fix_versions": []}],
}


def test_verdict():
    assert audit.verdict([GOOD, WHEEL]) == (
        0,
        ["1 packages audited, 1 ROS wheels unknown to the service."],
    )
    status, lines = audit.verdict([GOOD, BAD, WHEEL])
    assert status == audit.FOUND
    assert lines[0] == "some 1.0: PYSEC-1, mended in 1.1, 2.0"
    assert lines[1] == "some 1.0: X-2, mended in no version yet"


def test_a_service_that_knows_nothing_has_not_said_that_all_is_well():
    unknown = [{**WHEEL, "name": name} for name in ("a", "b", "c", "d")]
    with pytest.raises(
        audit.NotAudited, match=r"does not know 4 of 5 packages \(a, b, c, \.\.\.\)"
    ):
        audit.verdict([*unknown, GOOD])


def test_no_answer_is_one_sentence(tmp_path):
    log = tmp_path / "log"
    with pytest.raises(audit.NotAudited, match="cannot be reached or does not answer") as said:
        audit.ask(Path("/bin/false"), ["tqdm==4.70.1"], log)
    assert str(log) in str(said.value)
