"""The proof itself: the people sign in, every case is asked, every answer is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import httpx

from components.clerk.claims import Json
from components.clerk.client import ClerkClient
from components.hasura.client import AnswerLost, EngineUnreachable, HasuraClient, HasuraError

from .cases import PERMISSION, Answer, Case, Person, Verdict, cases, judge, judge_token
from .target import Target
from .throwaway import ProofError, Run, people, read_rows, remove_leftovers

Notice = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Proof:
    """All lines of a proof, and the way in which the tokens were got."""

    way: str
    verdicts: tuple[Verdict, ...]

    @property
    def passed(self) -> bool:
        return bool(self.verdicts) and all(verdict.passed for verdict in self.verdicts)


def prove(target: Target, clerk: ClerkClient, run: Run, *, notice: Notice) -> Proof:
    """Prove the isolation of rows on a stack.

    ``notice`` is told what happens beside the cases. Raises ProofError and ClerkError when the proof cannot
    be made; a case that fails is a verdict, not an error.
    """
    with HasuraClient(target.engine_url, target.admin_secret) as engine:
        # An engine without the table is found before anybody is made for it.
        read_rows(engine, target.admin_secret, ids=[])
        removed = remove_leftovers(clerk, engine, target.admin_secret)
        if removed:
            notice(f"Removed {removed} throwaway users that an earlier proof had left.")
        jwks = _jwks(target)
        with people(
            run,
            clerk=clerk,
            frontend_api_url=target.issuer,
            engine=engine,
            admin_secret=target.admin_secret,
            template=target.template,
            sessions_allowed=not target.is_production,
            notice=notice,
        ) as signed_in:
            first, second = signed_in.people
            key_ids = [str(key.get("kid")) for key in jwks]
            verdicts = [judge_token(p, issuer=target.issuer, key_ids=key_ids) for p in (first, second)]
            rsa = next((key for key in jwks if key.get("kty") == "RSA"), None)
            verdicts += [judge(case, _ask(engine, case)) for case in cases(first, second, rsa)]
            verdicts.append(
                _unchanged((first, second), read_rows(engine, target.admin_secret, ids=_ids(first, second)))
            )
    return Proof(way=signed_in.way, verdicts=tuple(verdicts))


def _ids(*persons: Person) -> list[str]:
    return [person.user_id for person in persons]


def _ask(engine: HasuraClient, case: Case) -> Answer:
    try:
        answer = engine.graphql(case.query, case.variables, token=case.token, headers=case.headers)
    except HasuraError as error:
        return Answer(
            data=None, errors=[{"message": error.message, "extensions": {"code": f"http-{error.status}"}}]
        )
    except (EngineUnreachable, AnswerLost) as error:
        raise ProofError(
            f"The engine stopped answering at {case.name!r}: {error}. Look at its log."
        ) from None
    return Answer(data=answer.data, errors=answer.errors)


def _unchanged(persons: Sequence[Person], rows: Sequence[Mapping[str, Json]]) -> Verdict:
    names = {str(row.get("id")): row.get("name") for row in rows}
    changed = [p.label for p in persons if names.get(p.user_id) != p.row_name]
    return Verdict(
        name="rows as they were",
        expected="both rows unchanged",
        seen=f"changed: {', '.join(changed)}" if changed else "both rows unchanged",
        passed=not changed,
        look_at=PERMISSION.replace("select", "update") if changed else "",
    )


def _jwks(target: Target) -> list[dict[str, Json]]:
    try:
        response = httpx.get(target.jwks_url, timeout=10.0, trust_env=not target.is_local_clerk)
        keys = response.raise_for_status().json()["keys"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise ProofError(
            f"The JWKS at {target.jwks_url} cannot be read ({type(error).__name__}). "
            "The engine needs it as well: check the publishable key and the network."
        ) from None
    return [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []
