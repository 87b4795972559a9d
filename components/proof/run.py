"""The proof itself: the people sign in, every case is asked, every answer is judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from components.clerk.claims import Json
from components.clerk.client import ClerkClient
from components.clerk.jwks import Jwks, JwksError, read_jwks
from components.hasura.client import AnswerLost, EngineUnreachable, HasuraClient, HasuraError

from .cases import Answer, Case, Person, Verdict, cases, judge, judge_token, permission, skew
from .problems import ProofError
from .rows import ThrowawayRows
from .target import Target
from .throwaway import Run, people, remove_leftovers
from .user_table import UserTable

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
        rows = ThrowawayRows(engine=engine, admin_secret=target.admin_secret, table=target.table)
        # An engine without the table is found before anybody is made for it.
        rows.read([])
        run = replace(run, engine=engine.catalog_id())
        removed = remove_leftovers(clerk, rows, run.engine)
        if removed:
            notice(f"Removed {removed} throwaway users that an earlier proof had left.")
        jwks = _jwks(target) if target.keys_from_jwks else None
        with people(
            run,
            clerk=clerk,
            frontend_api_url=target.frontend_api_url,
            kind=target.publishable_key.kind,
            rows=rows,
            template=target.template,
            notice=notice,
        ) as signed_in:
            first, second = signed_in.people
            clocks = skew(second.token, engine.clock())
            key_ids = None if jwks is None else jwks.key_ids
            verdicts = [
                judge_token(p, issuer=target.issuer, key_ids=key_ids, namespace=target.claims_namespace)
                for p in (first, second)
            ]
            rsa = None if jwks is None else next((k for k in jwks.keys if k.get("kty") == "RSA"), None)
            verdicts += [
                judge(case, _ask(engine, case, target.header), clocks)
                for case in cases(first, second, rsa, target.table)
            ]
            verdicts.append(
                _unchanged((first, second), rows.read([first.user_id, second.user_id]), target.table)
            )
    return Proof(way=signed_in.way, verdicts=tuple(verdicts))


def token_header(header: Mapping[str, str], token: str) -> dict[str, str]:
    """The request header that carries a token. ``header`` is in the form of Hasura's JWT secret."""
    match header.get("type", "Authorization"):
        case "Cookie":
            return {"Cookie": f"{header['name']}={token}"}
        case "CustomHeader":
            return {header["name"]: token}
        case _:
            return {"Authorization": f"Bearer {token}"}


def _ask(engine: HasuraClient, case: Case, header: Mapping[str, str]) -> Answer:
    sent = dict(case.headers) | (token_header(header, case.token) if case.token is not None else {})
    try:
        answer = engine.graphql(case.query, {}, headers=sent)
    except HasuraError as error:
        return Answer(
            data=None, errors=[{"message": error.message, "extensions": {"code": f"http-{error.status}"}}]
        )
    except (EngineUnreachable, AnswerLost) as error:
        raise ProofError(
            f"The engine stopped answering at {case.name!r}: {error}. Look at its log."
        ) from None
    return Answer(data=answer.data, errors=answer.errors)


def _unchanged(persons: Sequence[Person], rows: Sequence[Mapping[str, Json]], table: UserTable) -> Verdict:
    texts = {str(row.get(table.user_column)): row.get(table.text_column) for row in rows}
    changed = [p.label for p in persons if texts.get(p.user_id) != p.row_name]
    return Verdict(
        name="rows as they were",
        expected="both rows unchanged",
        seen=f"changed: {', '.join(changed)}" if changed else "both rows unchanged",
        passed=not changed,
        look_at=permission(table, "update") if changed else "",
    )


def _jwks(target: Target) -> Jwks:
    try:
        return read_jwks(target.jwks_url)
    except JwksError as error:
        raise ProofError(
            f"The JWKS at {target.jwks_url} cannot be read ({error}). "
            "The engine needs it as well: check the publishable key and the network."
        ) from None
