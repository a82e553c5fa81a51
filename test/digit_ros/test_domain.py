# SPDX-License-Identifier: Apache-2.0
"""Domains of one's own: no two processes get the same, and they come back."""

import subprocess
import sys
from uuid import uuid4

import pytest

from digit_ros import domain

PROGRAM = (
    "import sys; from digit_ros import domain; domain.NAME = chr(0) + sys.argv[1];"
    "print(domain.reserve_domain(), flush=True); input()"
)


@pytest.fixture
def few(monkeypatch):
    """Three domains in all, reserved under another name, which this gives without its zero."""
    monkeypatch.setattr(domain, "DOMAINS", range(1, 4))
    monkeypatch.setattr(domain, "_held", [])
    name = f"test_{uuid4()}_{{}}"
    monkeypatch.setattr(domain, "NAME", "\0" + name)
    yield name
    for held in domain._held:
        held.close()


def test_every_domain_is_given_once(few):
    assert {domain.reserve_domain() for _ in range(3)} == {1, 2, 3}
    with pytest.raises(RuntimeError, match="1 to 3 are reserved already"):
        domain.reserve_domain()


def test_another_process_keeps_its_domain_until_it_ends(few, monkeypatch):
    other = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, few],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    taken = int(other.stdout.readline())
    monkeypatch.setattr(domain, "DOMAINS", range(taken, taken + 1))
    with pytest.raises(RuntimeError):
        domain.reserve_domain()
    other.communicate("\n")
    assert domain.reserve_domain() == taken
