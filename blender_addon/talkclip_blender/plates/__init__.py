# SPDX-License-Identifier: GPL-3.0-or-later
"""Plates: rendered pictures of the speaking character, brought into the scene."""
