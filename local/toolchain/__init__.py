"""The tools that the project runs on: had where they are missing, each with a word on where it came from.

Everything here runs on the machine's own Python, before the project's environment exists.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 (this is the line that tells the user)
    sys.exit(
        "Python {}.{} is too old. Install Python 3.11 or newer and run this with it, "
        "e.g. `make up PYTHON=python3.13`.".format(*sys.version_info)
    )

from local.toolchain.environment import environment
from local.toolchain.errors import ToolchainError
from local.toolchain.machine import cache_folder

__all__ = ["ToolchainError", "cache_folder", "environment"]
