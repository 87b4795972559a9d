"""Starts the plugin.

The language host leaves the SDK out likewise. It is installed apart from any project, so neither can import the other.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def leave_the_sdk_out() -> None:
    """Lets the modules of the protocol's messages be imported without the packages around them, which would import
    all of the SDK."""
    found = importlib.util.find_spec("pulumi")
    for place in found.submodule_search_locations or () if found is not None else ():
        for name, folder in (("pulumi", Path(place)), ("pulumi.runtime", Path(place, "runtime"))):
            package = ModuleType(name)
            package.__path__ = [str(folder)]
            sys.modules[name] = package


if __name__ == "__main__":
    leave_the_sdk_out()
    from local.toolchain.pulumi_resource_postgresql.serving import serve

    sys.exit(serve())
