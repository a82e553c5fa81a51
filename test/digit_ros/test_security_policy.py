# SPDX-License-Identifier: Apache-2.0
"""The policy for SROS 2 grants a running node all that it does, and no more.

That the middleware keeps it cannot be tried here: the wheels' Fast DDS has no security.
"""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from sensor_msgs.msg import Image

POLICY = Path(__file__).parents[2] / "config" / "digit.policy.xml"
#: Subscribed to with `use_sim_time`, and with `image_transport: compressed`.
ELSEWHERE = {"/clock", "/image/compressed"}


def granted(kind, right):
    """Absolute names that the policy allows."""
    profile = ElementTree.parse(POLICY).find("enclaves/enclave/profiles/profile")
    space, node = profile.get("ns"), profile.get("node")
    names = [e.text for rule in profile.findall(f"{kind}s[@{right}='ALLOW']") for e in rule]
    assert len(names) == len(set(names))
    base = {"/": "", "~": space + node}
    return {
        base[n[0]] + (n[1:] if n[0] == "~" else n) if n[0] in base else space + n for n in names
    }


@pytest.fixture
def running(start_node, ears):
    """The graph's own list of a node that takes everything, once it has all of it."""
    start_node("digit_node", {"depth_source": "depth_image", "detector": "boxes"})
    ears.publisher(Image, "image", wait_for_subscriber_s=30.0)
    ears.spin_until(lambda: ears.node.count_publishers("/diagnostics"), 30.0)
    return ears.node


def test_policy_is_what_the_node_does(running, wait_until):
    rights = {
        ("topic", "subscribe"): running.get_subscriber_names_and_types_by_node,
        ("topic", "publish"): running.get_publisher_names_and_types_by_node,
        ("service", "reply"): running.get_service_names_and_types_by_node,
    }
    for (kind, right), ask in rights.items():
        wanted = granted(kind, right) - ELSEWHERE
        assert wanted

        def found(ask=ask):
            return {name for name, _ in ask("digit", "/")}

        wait_until(lambda found=found, wanted=wanted: found() >= wanted, 20.0, f"{kind} {right}")
        assert found() == wanted
