# SPDX-License-Identifier: GPL-3.0-or-later
"""The character: which of its shapes, bones and objects can be keyed, and the default head."""
