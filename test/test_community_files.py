# SPDX-License-Identifier: Apache-2.0
"""The files for contributors agree with what they describe; the workflow itself cannot run here."""

import os
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
FORMS = [form for form in FORMS if form.name != "config.yml"]
DOCKERFILE = (ROOT / "docker/Dockerfile").read_text(encoding="utf-8")
WORKFLOW = (ROOT / ".github/workflows/test.yml").read_text(encoding="utf-8")


def commands(job):
    return "\n".join(step.get("run", "") for step in yaml.safe_load(WORKFLOW)["jobs"][job]["steps"])


def test_the_workflow_runs_the_suite_as_a_developer_does():
    job = yaml.safe_load(WORKFLOW)["jobs"]["suite"]
    assert job["strategy"]["matrix"]["python"] == ["3.10", "3.12"]
    assert ".ci/run" in commands("suite") and os.access(ROOT / ".ci/run", os.X_OK)


def test_the_workflow_builds_on_jazzy_and_the_image():
    assert yaml.safe_load(WORKFLOW)["jobs"]["jazzy"]["container"] == "ros:jazzy"
    assert "python -m colcon build" in commands("jazzy")
    assert re.search(r"docker build .*-f docker/Dockerfile", commands("image"))
    assert DOCKERFILE.count("FROM ros:jazzy") == 1
    for test in re.findall(r"test/\S+\.py", commands("jazzy")):
        assert (ROOT / test).is_file(), test


@pytest.mark.parametrize("text", [DOCKERFILE, commands("jazzy")], ids=["Dockerfile", "workflow"])
def test_the_distribution_s_packages_are_those_of_package_xml(text):
    """Those that the image ros:jazzy lacks."""
    names = {"cv-bridge", "sensor-msgs-py", "tf-transformations", "tf2-ros-py"}
    assert set(re.findall(r"ros-jazzy-([a-z0-9-]+)", text)) == names
    package = (ROOT / "package.xml").read_text(encoding="utf-8")
    for name in names:
        assert f"<exec_depend>{name.replace('-', '_')}</exec_depend>" in package


def test_recipes_name_the_same_versions():
    """README's, the Dockerfile's and the workflow's."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for text in (readme, DOCKERFILE, WORKFLOW):
        assert '"numpy<2" torch openvino safetensors' in text
        assert re.search(r'"opencv-python(-headless)?>=4\.10,<4\.12"', text)


def test_files_that_docker_copies_are_there():
    for source in re.findall(r"^COPY (\S+) ", DOCKERFILE, re.MULTILINE):
        assert (ROOT / source).exists(), source
    (entry,) = re.findall(r'ENTRYPOINT \["/([^"]+)"\]', DOCKERFILE)
    assert os.access(ROOT / "docker" / entry, os.X_OK)


def test_pre_commit_has_the_suite_s_ruff():
    pinned = re.search(
        r"^ruff==\S+", (ROOT / "requirements/test.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = {hook["id"]: hook for repository in hooks["repos"] for hook in repository["hooks"]}
    for name in ("ruff-check", "ruff-format"):
        assert hooks[name]["additional_dependencies"] == [pinned[0]]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_issue_forms(path):
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert {"name", "description", "body"} <= set(form)
    assert all(part["attributes"]["label"] for part in form["body"])
    assert len({part["id"] for part in form["body"]}) == len(form["body"])


def test_citation_names_digit():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors", "version"} <= set(citation)
    (digit,) = citation["references"]
    assert digit["year"] == 2021 and digit["authors"][0]["family-names"] == "Fan"


def test_contributing_names_files_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    names = re.findall(r"`((?:[a-z_.]+/)+[\w.]*)`", text)
    assert len(names) > 12
    assert not [name for name in names if not (ROOT / name).exists() and "shared" not in name]
