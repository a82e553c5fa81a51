# SPDX-License-Identifier: Apache-2.0
"""The examples in the docstrings of digit_core are run."""

import doctest
import pkgutil
from importlib import import_module

import pytest

import digit_core

MODULES = ["digit_core"]
MODULES += [
    module.name
    for module in pkgutil.walk_packages(digit_core.__path__, "digit_core.")
    if not module.name.endswith("__main__")
]
#: Values and pure functions that a user calls: each shows how.
WITH_EXAMPLES = """
    boxes camera crop draw hand_size hands one_euro openxr orientation palm parts picture
    picture_size settings skeleton
""".split()


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module(name):
    assert doctest.testmod(import_module(name)).failed == 0


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_a_module_that_users_call_has_examples(name):
    found = doctest.DocTestFinder().find(import_module(f"digit_core.{name}"))
    assert any(test.examples for test in found)
