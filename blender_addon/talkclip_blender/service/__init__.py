# SPDX-License-Identifier: GPL-3.0-or-later
"""The server: found, asked what it can do."""
