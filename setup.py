# SPDX-License-Identifier: Apache-2.0
"""For tools that look for this file; pyproject.toml says what is installed."""

from setuptools import setup

setup()
