"""SQL of the ledger: quoting, limits, and what the catalog state becomes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from components.hasura.client import RunSql, SqlResult
from components.schema import catalog_state, ledger
from components.schema.ledger import SqlParts, Timeouts
from components.schema.migrations import SqlFile
from components.schema.sql import statements

TEXT = st.text(alphabet="ab't$;\\-\n\"/*", max_size=30)


@given(TEXT)
def test_literal_is_one_text_whatever_it_holds(text: str) -> None:
    quoted = ledger.literal(text)
    tag = quoted[: quoted.index("$", 1) + 1]
    assert quoted == f"{tag}{text}{tag}"
    assert tag not in (text + tag)[: len(text) + len(tag) - 1]
    assert [s.words for s in statements(f"select {quoted}; begin")] == [("select",), ("begin",)]


@given(TEXT, TEXT, TEXT)
def test_a_row_is_one_statement(name: str, checksum: str, down: str) -> None:
    sql = ledger.insert("default", 1, name, checksum, stack="dev", down=down)
    assert [s.words[:2] for s in statements(sql)] == [("insert", "into")]


def test_limits_in_milliseconds() -> None:
    sql = ledger.lock(Timeouts(deployment=60, lock=0.25, statement=0))
    assert "set local lock_timeout = 60000;" in sql
    assert sql.endswith("set local lock_timeout = 250;\nset local statement_timeout = 0;\n")


def test_row_comes_before_the_file(tmp_path) -> None:
    path = tmp_path / "up.sql"
    path.write_bytes(b"create table a ();\r\n-- the end")
    file = SqlFile(path=path, shown="up.sql", checksum="", size=31)
    text = "".join(SqlParts("guard; row;\n", file, "select 1").pieces())
    assert text == "guard; row;\ncreate table a ();\n-- the end\n;\nselect 1"


@given(st.text(max_size=40))
def test_request_is_the_json_that_it_says(text: str) -> None:
    import json

    request = RunSql(sql=text, source='a"b', no_transaction=True)
    assert json.loads(b"".join(request.encoded())) == {
        "type": "run_sql",
        "args": {
            "sql": text,
            "source": 'a"b',
            "check_metadata_consistency": False,
            "no_transaction": True,
        },
    }


def test_rows() -> None:
    result = SqlResult(
        columns=(
            *("version", "name", "checksum", "origin", "state"),
            *("in_catalog", "has_down", "recorded_at", "stack"),
        ),
        rows=(("7", "x", "abc", "adopted", "started", "f", "t", "2026-01-02T03:04:05Z", "dev"),),
    )
    (row,) = ledger.rows(result)
    assert (row.version, row.key, row.origin, row.state) == (7, "7_x", "adopted", "started")
    assert (row.in_catalog, row.has_down, row.stack) == (False, True, "dev")


class TestCatalogState:
    STATE = {  # noqa: RUF012
        "migrations": {"default": {"1": False, "2": True}, "other": {"9": False}},
        "settings": {"migration_mode": "false"},
        "theirs": 1,
    }

    def test_recorded(self) -> None:
        assert catalog_state.recorded(self.STATE, "default") == {1: False, 2: True}
        assert catalog_state.recorded(self.STATE, "third") is None
        assert catalog_state.recorded({}, "default") is None

    def test_updated_keeps_what_is_not_ours(self) -> None:
        applied = {"default": [10, 9], "third": []}
        assert catalog_state.updated(self.STATE, applied, {"default": {1, 3}}) == {
            "migrations": {"default": {"2": True, "9": False, "10": False}, "other": {"9": False}},
            "settings": {"migration_mode": "false"},
            "theirs": 1,
            "isStateCopyCompleted": True,
        }

    def test_keys_that_are_no_versions(self) -> None:
        state = {"migrations": {"default": {"1": False, "²": True, "latest": {"a": 1}, "": False}}}
        assert catalog_state.recorded(state, "default") == {1: False}
        updated = catalog_state.updated(state, {"default": [2]})["migrations"]
        assert updated == {"default": {"²": True, "latest": {"a": 1}, "": False, "1": False, "2": False}}
        without = catalog_state.without(state, "default", 1)["migrations"]
        assert without == {"default": {"²": True, "latest": {"a": 1}, "": False}}

    def test_updated_from_nothing(self) -> None:
        assert catalog_state.updated({}, {"default": [1]}) == {
            "migrations": {"default": {"1": False}},
            "settings": {"migration_mode": "true"},
            "isStateCopyCompleted": True,
        }

    def test_updated_again_changes_nothing(self) -> None:
        once = catalog_state.updated(self.STATE, {"default": [1, 2]})
        assert catalog_state.updated(once, {"default": [2, 1]}) == once

    def test_without(self) -> None:
        left = catalog_state.without(self.STATE, "default", 1)
        assert left == {**self.STATE, "migrations": {"default": {"2": True}, "other": {"9": False}}}
        assert catalog_state.without(self.STATE, "third", 1) == self.STATE
