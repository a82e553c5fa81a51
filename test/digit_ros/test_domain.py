# SPDX-License-Identifier: Apache-2.0
"""Domains of one's own: no two processes get the same, and they come back."""

import subprocess
import sys

import pytest

from digit_ros import domain

PROGRAM = "from digit_ros.domain import *; print(reserve_domain(), flush=True); input()"


@pytest.fixture
def few(monkeypatch, tmp_path):
    """Three domains in all, with locks of their own."""
    monkeypatch.setattr(domain, "DOMAINS", range(1, 4))
    monkeypatch.setattr(domain.tempfile, "gettempdir", lambda: str(tmp_path))


def test_every_domain_is_given_once(few):
    assert {domain.reserve_domain() for _ in range(3)} == {1, 2, 3}
    with pytest.raises(RuntimeError, match="1 to 3 are reserved already"):
        domain.reserve_domain()


def test_another_process_keeps_its_domain_until_it_ends(few, monkeypatch, tmp_path):
    other = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**domain.os.environ, "TMPDIR": str(tmp_path)},
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
