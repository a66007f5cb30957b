# SPDX-License-Identifier: GPL-3.0-or-later
"""The line: its sound, its words, its prompt segments."""
