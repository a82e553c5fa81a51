# SPDX-License-Identifier: Apache-2.0
"""config/digit.rviz: RViz's own class names, and topics that the node has.

RViz cannot run here; the names were compared with its public sources (rviz_default_plugins).
"""

from pathlib import Path

import pytest
import yaml

from digit_ros.image_result import ON_DEMAND

CONFIG = Path(__file__).parents[2] / "config" / "digit.rviz"
DISPLAYS = {"Grid", "Image", "MarkerArray", "PointCloud2", "TF"}
OTHERS = {"Interact", "MoveCamera", "FocusCamera", "Measure", "Orbit"}


@pytest.fixture(scope="module")
def manager():
    """The part of the file that holds displays, tools and view."""
    return yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["Visualization Manager"]


def test_classes_are_rvizs(manager):
    classes = [display["Class"] for display in manager["Displays"]]
    assert set(classes) == {f"rviz_default_plugins/{name}" for name in DISPLAYS}
    others = [tool["Class"] for tool in manager["Tools"]] + [manager["Views"]["Current"]["Class"]]
    assert set(others) == {f"rviz_default_plugins/{name}" for name in OTHERS}


def test_topics_are_the_nodes_and_reliable_as_it_publishes(manager):
    topics = [display["Topic"] for display in manager["Displays"] if "Topic" in display]
    assert {topic["Value"] for topic in topics} == {"markers", "overlay", "skeleton_points"}
    assert all(topic["Value"] in ON_DEMAND for topic in topics)
    assert all(topic["Reliability Policy"] == "Reliable" for topic in topics)


def test_the_fixed_frame_is_the_players(manager):
    assert manager["Global Options"]["Fixed Frame"] == "camera_optical_frame"
