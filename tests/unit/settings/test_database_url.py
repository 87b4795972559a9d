"""Connection URLs, taken apart and put together."""

from __future__ import annotations

import psycopg.conninfo
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.settings.database_url import DatabaseUrl, DatabaseUrlError, read_database_url

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)


@given(user=texts, password=texts, database=texts, value=texts)
def test_libpq_reads_what_is_written(user: str, password: str, database: str, value: str) -> None:
    url = DatabaseUrl(
        hosts="db.example.com:6432",
        user=user,
        password=password,
        database=database,
        parameters={"application_name": value},
    )
    assert psycopg.conninfo.conninfo_to_dict(url.text(sslmode="verify-full")) == {
        "user": user,
        "password": password,
        "host": "db.example.com",
        "port": "6432",
        "dbname": database,
        "application_name": value,
        "sslmode": "verify-full",
    }
    assert read_database_url(url.text()).url == url


@pytest.mark.parametrize(
    ("text", "place", "sslmode"),
    [
        ("postgresql://u:p@db/app", "db/app", ""),
        ("postgres://u:p@db:5432/app?sslmode=require", "db:5432/app", "require"),
        ("postgres://u:p@db/app?ssl=true", "db/app", "require"),
        ("postgresql://u:p@[2001:db8::1]:5432/app", "[2001:db8::1]:5432/app", ""),
        (
            "postgresql://u:p@one:5432,two:5432/app?target_session_attrs=read-write",
            "one:5432,two:5432/app",
            "",
        ),
        ("postgresql://u:p@db/app?channel_binding=require&sslmode=verify-full", "db/app", "verify-full"),
    ],
)
def test_what_providers_hand_out_is_read(text: str, place: str, sslmode: str) -> None:
    read = read_database_url(text)
    assert (read.url.place, read.sslmode) == (place, sslmode)
    assert "ssl" not in read.url.text()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mysql://u:canary@db/app", "is not a connection URL"),
        ("host=db user=u password=canary", "is not a connection URL"),
        ("postgresql://u:canary@db/app ", "holds a space"),
        ("postgresql://u:can#ary@db/app", "holds a space or a #"),
        ("postgresql://u:can@ary@db/app", "must be percent-encoded"),
        ("postgresql://u:canary@db/a/b", "must be percent-encoded"),
        ("postgresql://db/app", "names no user, no password"),
        ("postgresql://u@db/app", "names no password"),
        ("postgresql://u:canary@/app", "names no host"),
        ("postgresql://u:canary@db", "names no database"),
        ("postgresql://u:canary@db/app?sslrootcert=/etc/ca.pem", "names sslrootcert, a file"),
        ("postgresql://u:canary@db/app?sslmode=canary", "an sslmode that libpq does not know"),
    ],
)
def test_what_cannot_be_used_is_said_without_showing_it(text: str, said: str) -> None:
    with pytest.raises(DatabaseUrlError, match=said) as caught:
        read_database_url(text)
    assert "canary" not in str(caught.value)


def test_nothing_secret_is_shown() -> None:
    url = read_database_url("postgresql://u:canary@db/app?options=canary").url
    assert "canary" not in repr(url) + url.place
