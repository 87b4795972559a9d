"""`python -m local.images`: brings the stack's images on this machine and prints a table of them."""

import argparse
import sys

from local.images import ConfiguredImages, ImageError, ensure


def main() -> int:
    """Run the command. Gives the exit code: 0, or 1 with the problem on standard error."""
    parser = argparse.ArgumentParser(prog="python -m local.images", description=__doc__)
    parser.add_argument("--postgres", required=True, help="the configured image of PostgreSQL")
    parser.add_argument("--hasura", required=True, help="the configured image of the Hasura engine")
    parser.add_argument(
        "--caddy", help="the configured image of Caddy, or an empty text for the one built here"
    )
    parser.add_argument("--base", default=ConfiguredImages.base, help="the base of what is built here")
    parser.add_argument("--no-stand-ins", action="store_true", help="refuse stand-ins for configured images")
    arguments = parser.parse_args()
    try:
        rows = ensure(
            ConfiguredImages(
                postgres=arguments.postgres,
                hasura=arguments.hasura,
                caddy=arguments.caddy or "",
                base=arguments.base,
            ),
            parts=("postgres", "hasura", "stand-ins", *(("caddy",) if arguments.caddy is not None else ())),
            progress=lambda line: print(f"  {line}", file=sys.stderr, flush=True),
            allow_stand_ins=not arguments.no_stand_ins,
        )
    except ImageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    for row in rows:
        print(f"{row.part:10} {row.image}  ({row.source})")
    for row in rows:
        if row.warning:
            print(f"\nWARNING: {row.warning}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
