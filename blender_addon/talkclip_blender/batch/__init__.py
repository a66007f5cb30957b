# SPDX-License-Identifier: GPL-3.0-or-later
"""Shots of `talkclip blender-batch`: one file is opened, spoken and saved, without a window."""
