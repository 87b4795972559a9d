"""hey's report, read."""

from __future__ import annotations

from tests.load.generator import Load, read

REPORT = """
Response time histogram:
  0.001 [1]\t|

Status code distribution:
  [200]\t2000 responses
  [502]\t3 responses

Error distribution:
  [2]\tPost "http://127.0.0.1:1/v1/graphql": dial tcp 127.0.0.1:1: connect: connection refused
"""


def test_what_was_not_answered_with_200_has_failed() -> None:
    answers, errors = read(REPORT)
    assert answers == {200: 2000, 502: 3}
    assert list(errors.values()) == [2]
    seen = Load(answers=answers, errors=errors)
    assert (seen.requests, seen.failed) == (2005, 5)
