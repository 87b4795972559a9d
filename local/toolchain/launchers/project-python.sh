# shellcheck shell=sh
# Sourced by the launchers: sets $project and $python.
#
# The Pulumi CLI starts plugins in the folder of the program, so the nearest
# folder above that has a .venv is the project. CLERK_HASURA_PROJECT serves
# programs that live elsewhere. Nothing here knows where the launcher was
# installed from, so that clones can move and can share one cache.
project=$PWD
while [ "$project" != / ] && [ ! -x "$project/.venv/bin/python" ]; do
    project=$(dirname "$project")
done
[ "$project" != / ] || project=${CLERK_HASURA_PROJECT:-}

if [ -n "${PULUMI_RUNTIME_VIRTUALENV:-}" ] && [ -x "$PULUMI_RUNTIME_VIRTUALENV/bin/python" ]; then
    python=$PULUMI_RUNTIME_VIRTUALENV/bin/python
elif [ -n "$project" ] && [ -x "$project/.venv/bin/python" ]; then
    python=$project/.venv/bin/python
elif [ -n "${VIRTUAL_ENV:-}" ] && [ -x "$VIRTUAL_ENV/bin/python" ]; then
    python=$VIRTUAL_ENV/bin/python
else
    echo "$(basename "$0"): no Python environment: run 'python3 -m local.toolchain setup' in the project" >&2
    exit 1
fi
