"""`python -m local.clerk`: serve the stand-in as the LOCAL_CLERK_* variables say."""

import logging
import os
import sys

from local.clerk.server import run
from local.clerk.settings import SettingsError, from_environment


def main() -> int:
    """Serve; exit code 2 if the environment is wrong."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    try:
        settings = from_environment(os.environ)
    except SettingsError as error:
        for problem in error.problems:
            print(f"local Clerk: {problem}", file=sys.stderr)
        return 2
    run(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
