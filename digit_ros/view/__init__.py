# SPDX-License-Identifier: Apache-2.0
"""The topics of a running node in a browser."""
