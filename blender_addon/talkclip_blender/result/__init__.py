# SPDX-License-Identifier: GPL-3.0-or-later
"""The result: a request to the server, and its answer as keys, takes and layers."""
