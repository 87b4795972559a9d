"""Every rule as data: what violates it, what passes, and what is excepted."""

from __future__ import annotations

from datetime import date

import pytest
from policy_cases import FOLDER, Case, read

from policy.exceptions import Entry, Excepted, Exceptions
from policy.findings import findings
from policy.properties import NotKnownYet
from policy.rule import Rule
from policy.rules import RULES

BY_NAME = {rule.name: rule for rule in RULES}
CASES = [case for rule in RULES for case in read(rule.name)]
TODAY = date(2026, 6, 1)


def ids(case: Case) -> str:
    return f"{case.rule}: {case.name}"


def test_no_file_is_left_over() -> None:
    assert {file.stem for file in FOLDER.iterdir()} == set(BY_NAME)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_has_cases_of_both_kinds(rule: Rule) -> None:
    cases = [case for case in CASES if case.rule == rule.name]
    assert any(case.violates for case in cases)
    assert any(not case.violates and not case.not_known for case in cases)
    assert len({case.name for case in cases}) == len(cases)


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_a_case(case: Case) -> None:
    check = BY_NAME[case.rule].check
    if case.not_known:
        with pytest.raises(NotKnownYet):
            list(check(case.resource))
        return
    assert [violation.subject for violation in check(case.resource)] == case.violates


@pytest.mark.parametrize("case", [case for case in CASES if case.violates], ids=ids)
def test_a_violation_is_told_with_its_remedy_and_excepted_by_its_subject(case: Case) -> None:
    rule = BY_NAME[case.rule]

    def found(excepted: list[str], until: date = TODAY) -> list[str]:
        entries = [
            Excepted(
                rule=rule.name, subject=subject, stacks=["prod"], reason="a test", by="a@b.c", until=until
            )
            for subject in excepted
        ]
        exceptions = Exceptions(entries=tuple(Entry(excepted=one, place="a file:1") for one in entries))
        told = findings(
            [rule], case.resource, exceptions=exceptions, stack="prod", level="mandatory", today=TODAY
        )
        return [finding.text for finding in told]

    everything = found([])
    assert len(everything) == len(case.violates)
    for text, subject in zip(everything, case.violates, strict=True):
        assert rule.remedy in text
        assert text.endswith(f"To except it in policy/exceptions.yaml, subject: `{subject}`")
    assert found(case.violates[:1]) == everything[1:]
    assert found(case.violates) == []
    assert found(case.violates, until=date(2026, 5, 31)) == everything


def test_no_finding_shows_a_secret() -> None:
    for case in read("admin-secret"):
        for violation in BY_NAME["admin-secret"].check(case.resource) if not case.not_known else ():
            assert "hunter2" not in violation.text
            assert "abcabc" not in violation.text
