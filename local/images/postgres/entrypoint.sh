#!/bin/bash
# Entry point of the PostgreSQL image that is built from Debian packages.
#
# `postgres [options]` starts the server, after a first initialisation where the data folder is empty.
# Anything else is run as it is.
#
# Environment, with the vendor image's meaning:
#   POSTGRES_USER              superuser's name (postgres)
#   POSTGRES_PASSWORD(_FILE)   its password, or the file that holds it
#   POSTGRES_DB                database to create (the superuser's name)
#   POSTGRES_INITDB_ARGS       further options for initdb
#   POSTGRES_HOST_AUTH_METHOD  authentication of TCP clients (scram-sha-256)
#   PGDATA                     data folder
# /docker-entrypoint-initdb.d  *.sql, *.sql.gz, *.sh: run in the order of their names after initdb
#
# One difference that is meant: a first initialisation that is killed half-way leaves nothing that a next
# start would take for a finished database. It happens in $PGDATA/initialising.tmp and is moved into place
# once it is complete, with PG_VERSION, by which a data folder is recognised, as the last file.
set -Eeuo pipefail

fail() {
    echo "postgres: $*" >&2
    exit 1
}

# Sets variable $1 from the file that $1_FILE names, if there is one.
from_file() {
    local name=$1 file_name="${1}_FILE"
    if [[ -n ${!name:-} && -n ${!file_name:-} ]]; then
        fail "both $name and $file_name are set; set only one of them."
    fi
    if [[ -n ${!file_name:-} ]]; then
        [[ -r ${!file_name} ]] || fail "$file_name names ${!file_name}, which cannot be read."
        printf -v "$name" '%s' "$(<"${!file_name}")"
        export "${name?}"
    fi
    unset "$file_name"
}

give_to_postgres() {
    mkdir -p "$PGDATA"
    find "$PGDATA" \! -user postgres -exec chown postgres:postgres '{}' +
    chmod 0700 "$PGDATA"
    if [[ -n ${POSTGRES_PASSWORD_FILE:-} ]]; then
        # A mounted secret is often readable by root only; the rest runs as postgres.
        from_file POSTGRES_PASSWORD
    fi
}

# stdin: SQL, or give psql options. Connects over the Unix socket: TCP is closed during initialisation.
run_sql() {
    psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" "$@"
}

run_initdb_files() {
    local file
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
            *.sql) echo "postgres: runs $file"; run_sql --dbname="$POSTGRES_DB" --file="$file" ;;
            *.sql.gz) echo "postgres: runs $file"; gunzip --stdout "$file" | run_sql --dbname="$POSTGRES_DB" ;;
            *.sh)
                echo "postgres: runs $file"
                if [[ -x $file ]]; then "$file"; else . "$file"; fi
                ;;
            */\*) ;; # an empty folder leaves the pattern as it is
            *) echo "postgres: ignores $file" ;;
        esac
    done
}

# Moves a complete database from $1 to $2, the folder that contains it. May be killed and called again.
move_into_place() {
    local complete=$1 final=$2 entry
    shopt -s dotglob
    for entry in "$complete"/*; do
        case ${entry##*/} in
            PG_VERSION | complete) ;;
            *) mv "$entry" "$final/" ;;
        esac
    done
    shopt -u dotglob
    sync
    mv "$complete/PG_VERSION" "$final/"
    rm -r "$complete"
}

initialise() {
    local final=$PGDATA entry password_file=()
    : "${POSTGRES_USER:=postgres}" "${POSTGRES_HOST_AUTH_METHOD:=scram-sha-256}"
    : "${POSTGRES_DB:=$POSTGRES_USER}"
    export POSTGRES_USER POSTGRES_DB
    if [[ -z ${POSTGRES_PASSWORD:-} && $POSTGRES_HOST_AUTH_METHOD != trust ]]; then
        fail "the database is empty and POSTGRES_PASSWORD is not set. Set it, or POSTGRES_PASSWORD_FILE."
    fi
    rm -rf "$final/initialising.tmp"
    for entry in "$final"/* "$final"/.[!.]*; do
        if [[ -e $entry && ${entry##*/} != lost+found ]]; then
            fail "the data folder $final is not empty and holds no database (found ${entry##*/})." \
                 "Give an empty volume."
        fi
    done

    export PGDATA="$final/initialising.tmp"
    trap 'pg_ctl --mode=immediate --silent stop 2> /dev/null || true; exit 143' TERM INT
    if [[ -n ${POSTGRES_PASSWORD:-} ]]; then
        exec {password}< <(printf '%s\n' "$POSTGRES_PASSWORD")
        password_file=(--pwfile="/dev/fd/$password")
    fi
    # eval, so that POSTGRES_INITDB_ARGS may quote an argument that has a space in it.
    eval 'initdb --username="$POSTGRES_USER" "${password_file[@]}"' "${POSTGRES_INITDB_ARGS:-}" > /dev/null
    printf '\nhost all all all %s\n' "$POSTGRES_HOST_AUTH_METHOD" >> "$PGDATA/pg_hba.conf"

    # In the background, because bash runs no trap while it waits for a command in the foreground.
    pg_ctl --wait --silent --options="-c listen_addresses='' -c log_min_messages=warning" start &
    wait $!
    if [[ $POSTGRES_DB != postgres ]]; then
        run_sql --dbname=postgres --set=db="$POSTGRES_DB" <<< 'create database :"db";'
    fi
    run_initdb_files
    pg_ctl --wait --silent --mode=fast stop
    trap - TERM INT

    touch "$PGDATA/complete"
    sync
    move_into_place "$PGDATA" "$final"
    export PGDATA=$final
    echo 'postgres: initialisation is complete.'
}

[[ ${1:-} == -* ]] && set -- postgres "$@"

only_asks() {
    local argument
    for argument in "$@"; do
        case $argument in -'?' | --help | -V | --version | --describe-config) return 0 ;; esac
    done
    return 1
}

if [[ ${1:-} == postgres ]] && ! only_asks "$@"; then
    if [[ $(id -u) == 0 ]]; then
        give_to_postgres
        exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$BASH" "${BASH_SOURCE[0]}" "$@"
    fi
    from_file POSTGRES_PASSWORD
    from_file POSTGRES_USER
    from_file POSTGRES_DB
    from_file POSTGRES_INITDB_ARGS
    if [[ -e $PGDATA/initialising.tmp/complete ]]; then
        move_into_place "$PGDATA/initialising.tmp" "$PGDATA"
    fi
    if [[ ! -s $PGDATA/PG_VERSION ]]; then
        initialise
    else
        echo 'postgres: the data folder holds a database; initialisation is skipped.'
    fi
    unset POSTGRES_PASSWORD
fi

exec "$@"
