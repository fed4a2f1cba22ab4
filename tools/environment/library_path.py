"""Copied into an environment that stands on an installed ROS 2, and run as its Python starts.

The loader reads LD_LIBRARY_PATH only when a process begins, and the libraries of the messages
that were built into the environment are looked up by name: so Python starts once more.
"""

import os
import sys


def start_again_with_own_libraries() -> None:
    """Replace this process by itself with the environment's libraries on the loader's path."""
    own = os.path.join(sys.prefix, "lib")
    others = os.environ.get("LD_LIBRARY_PATH", "")
    if own not in others.split(os.pathsep):
        os.environ["LD_LIBRARY_PATH"] = f"{own}{os.pathsep}{others}" if others else own
        os.execv(sys.executable, sys.orig_argv)


start_again_with_own_libraries()
