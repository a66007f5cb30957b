# SPDX-License-Identifier: GPL-3.0-or-later
"""The server: its engine installed, itself started, asked what it can do.

    engine_place.py     the folder with the engine
    engine_source.py    what is installed, in which size
    pythons.py          Pythons on this computer; `questions.py` is what they are asked
    processes.py        programs that we start
    installer.py        the installation; `pip_output.py` understands what pip says
    local_server.py     the server that we start
    server_facts.py     what a server says of itself
    settings.py         the preferences as plain values

These know no bpy and are tested without it. `state.py` holds what goes on, `connection.py` is the way to the server for
the other rooms; operators, `drawing.py` and `panel.py` are what the user sees.
"""
