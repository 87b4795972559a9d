"""Pulumi's calls on a JWT template, translated into calls of Clerk's Backend API.

The inputs are the outputs: Clerk adds nothing but an id, so what a preview compares is what a person wrote.
The import path of ``JwtTemplateProvider`` is part of the state (see `docs/adr`): a move needs a shim.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)
from pulumi.output import Unknown

from components.provider_error import UNSEEN, ProviderError, not_refreshed, told_plainly, warn

from . import claims as claim_rules
from . import keys
from .adoption import differences
from .answers import JwtTemplateRecord, TemplateContent
from .claims import Claims, Json
from .credentials import Credentials, configured
from .errors import ClerkError
from .signing_key import ALGORITHMS

if TYPE_CHECKING:
    from .client import ClerkClient

LIFETIME: Final = (30, 315_360_000)
CLOCK_SKEW: Final = (0, 300)
COMPARED: Final = ("name", "claims", "lifetime", "allowed_clock_skew", "signing_algorithm", "signing_key")
"""The inputs that Clerk keeps. ``adopt`` matters to a create only."""

WHERE: Final = ("api_url", "publishable_key")
"""Those that say in which instance the template is."""

Props = dict[str, Any]  # Pulumi's own type for them; every value is checked before use


class JwtTemplateProvider(ResourceProvider):
    """Creates, reads, updates and deletes one JWT template.

    Inputs: ``name``, ``claims`` (object), ``lifetime`` and ``allowed_clock_skew`` (seconds), ``api_url`` and
    ``publishable_key`` (which instance), ``adopt`` (bool), ``claims_namespace`` (where Hasura's claims stand,
    if not at its usual place), and with a key of one's own ``signing_key`` (secret) and
    ``signing_algorithm``. Outputs: the same. A refresh that meets no local Clerk adds the input ``UNSEEN``, and the
    next update writes the template. Clerk's secret key comes from the stack's configuration or the
    environment, never from an input.
    """

    _credentials = Credentials()

    def configure(self, req: ConfigureRequest) -> None:
        self._credentials = configured(req.config, os.environ)

    def check(self, _olds: Props, news: Props) -> CheckResult:
        found = input_problems(news)
        if not _olds and not found and news.get("adopt") is True and not self._credentials.is_local:
            self._tell_what_is_taken_over(news)
        return CheckResult(news, [CheckFailure(where, what) for where, what in found])

    def _tell_what_is_taken_over(self, props: Props) -> None:
        """A preview shows a creation; what it does to a template that is there already is told beside it."""
        try:
            content = _content(props)
            with self._client(props) as client:
                present = _named(client, content.name)
        except (ClerkError, ProviderError):
            # What is wrong there is told by the creation itself.
            return
        for record in present:
            changes = differences(record, content)
            how = "as it is" if not changes else "and changed"
            warn(
                f"The JWT template {content.name!r} ({record.id}) is there already and is taken over, {how}."
            )
            for change in changes:
                warn(f"warning: JWT template {content.name!r} is changed: {change}")

    @told_plainly
    def diff(self, _id: str, _olds: Props, _news: Props) -> DiffResult:
        changed = any(differs(_olds.get(key), _news.get(key)) for key in (*COMPARED, *WHERE, UNSEEN))
        replaces = self._moves(_id, _olds, _news)
        if UNSEEN in _olds and not replaces and self._is_there(_id, _news) is False:
            # Deleted by hand, which the refresh could not see. An update would look for it in vain.
            replaces = ["name"]
        return DiffResult(changes=changed, replaces=replaces, stables=[])

    def _moves(self, id_: str, olds: Props, news: Props) -> list[str]:
        """Those of WHERE by which the template belongs into another instance.

        There the old one cannot be updated. It goes last, so that a sign-in never meets a moment without a
        template.
        """
        other = [key for key in WHERE if olds.get(key) and _is_other(olds.get(key), news.get(key))]
        if olds.get("publishable_key") and "publishable_key" not in other:
            # Another way to the same instance.
            return []
        if other == ["publishable_key"] and self._is_there(id_, news):
            # The domain of a production instance has changed, and with it the key.
            return []
        return other

    def _is_there(self, id_: str, props: Props) -> bool | None:
        """Whether the template is found in the instance of these inputs. None where that cannot be asked."""
        try:
            with self._client(props) as client:
                client.jwt_template(id_)
        except ClerkError as error:
            return False if error.status == 404 else None
        except ProviderError:
            return None
        return True

    @told_plainly
    def create(self, props: Props) -> CreateResult:
        content = _content(props)
        with self._client(props) as client:
            try:
                record = _create_or_adopt(client, content, adopt=props.get("adopt") is True)
            except ClerkError as error:
                raise ProviderError(str(error)) from None
        return CreateResult(record.id, outputs(props, record))

    @told_plainly
    def read(self, id_: str, props: Props) -> ReadResult:
        with self._client(props) as client:
            try:
                record = client.jwt_template(id_)
            except ClerkError as error:
                if error.status == 404 and not self._moved_on(props):
                    return ReadResult("", {})
                if error.status in (401, 404) and self._moved_on(props):
                    not_refreshed("the JWT template of the Clerk application that was used before", error)
                    return ReadResult(id_, dict(props), _inputs(props))
                if error.nothing_sent and self._credentials.uses_local_clerk(props.get("api_url")):
                    # Its container may be gone; the next `up` makes it anew, on the same data.
                    unseen = not_refreshed("the JWT template of the local Clerk", error)
                    return ReadResult(id_, {**props, **unseen}, {**_inputs(props), **unseen})
                raise ProviderError(str(error)) from None
        found = outputs(props, record)
        return ReadResult(id_, found, _inputs(found))

    @told_plainly
    def update(self, _id: str, _olds: Props, _news: Props) -> UpdateResult:
        content = _content(_news)
        with self._client(_news) as client:
            try:
                if content.name != _olds.get("name"):
                    _refuse_taken_name(_named(client, content.name), content.name, besides=_id)
                record = client.update_jwt_template(_id, content)
            except ClerkError as error:
                if error.status == 404:
                    raise ProviderError(
                        f"The JWT template {content.name!r} ({_id}) is gone from Clerk, or the secret key "
                        "is another instance's now. Run `pulumi refresh`, then `pulumi up` again."
                    ) from None
                if error.is_name_taken:
                    # Renamed by hand, and another one made of that name.
                    _refuse_taken_name(_named(client, content.name), content.name, besides=_id)
                raise ProviderError(str(error)) from None
        return UpdateResult(outputs(_news, record))

    @told_plainly
    def delete(self, _id: str, _props: Props) -> None:
        if self._moved_on(_props) and not self._credentials.uses_local_clerk(_props.get("api_url")):
            self._delete_behind(_id, _props)
            return
        with self._client(_props) as client:
            try:
                client.delete_jwt_template(_id)
            except ClerkError as error:
                if error.nothing_sent and self._credentials.uses_local_clerk(_props.get("api_url")):
                    # A stack can be taken down after its local Clerk was removed by hand.
                    warn(f"{error} The local Clerk is gone, and the template is taken to be gone with it.")
                    return
                if error.status != 404:
                    raise ProviderError(str(error)) from None

    def _delete_behind(self, id_: str, props: Props) -> None:
        """Delete what is left in an application that the stack has moved on from, if its key is still at hand.

        Where it is not, the stack must not hang on a key that nobody has any more.
        """
        why = "the secret key is another application's now"
        # A key for another application may be one for the same, under its new domain: there the template lives.
        if self._credentials.is_local:
            try:
                with self._client(props) as client:
                    client.delete_jwt_template(id_)
                return
            except (ClerkError, ProviderError) as error:
                why = str(error)
        warn(
            f"The JWT template {props.get('name')!r} ({id_}) may be left in the Clerk application that this "
            f"stack used before ({_frontend_api(props)}). Delete it in that application's dashboard. "
            f"It was not deleted from here: {why}"
        )

    def _moved_on(self, props: Mapping[str, Any]) -> bool:
        return self._credentials.moved_on(props.get("api_url"), props.get("publishable_key"))

    def _client(self, props: Mapping[str, Any]) -> ClerkClient:
        return self._credentials.client(props.get("api_url"))


def input_problems(props: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is wrong with the inputs, as pairs of property and sentence. Unknown values are passed over."""
    found: list[tuple[str, str]] = []
    name = props.get("name")
    if not _is_unknown(name) and (not isinstance(name, str) or not name.strip() or "/" in name):
        found.append(
            ("name", "A template needs a name, without a slash: front ends ask for it in an address.")
        )
    for key, (least, most), meaning in (
        ("lifetime", LIFETIME, "lifetime of a token"),
        ("allowed_clock_skew", CLOCK_SKEW, "allowed clock skew"),
    ):
        value = props.get(key)
        if not _is_unknown(value) and not _is_whole_within(value, least, most):
            found.append(
                (key, f"The {meaning} is {plain(value)!r}; write whole seconds from {least} to {most}.")
            )
    found += _signing_problems(props)
    claims = props.get("claims")
    if not _has_unknown(claims):
        if isinstance(claims, Mapping):
            found += [
                ("claims", str(finding))
                for finding in claim_rules.findings(cast(Claims, plain(claims)), _namespace(props))
                if finding.severity == "error"
            ]
        else:
            found.append(("claims", "The claims must be an object."))
    return found


def _signing_problems(props: Mapping[str, Any]) -> list[tuple[str, str]]:
    key, algorithm = props.get("signing_key"), props.get("signing_algorithm")
    if _is_unknown(key) or _is_unknown(algorithm):
        return []
    if (key is None) != (algorithm is None):
        missing = "signing_key" if key is None else "signing_algorithm"
        return [(missing, "A signing key and its algorithm belong together: give both or neither.")]
    if algorithm is not None and algorithm not in ALGORITHMS:
        return [("signing_algorithm", f"{algorithm!r} is none of {', '.join(ALGORITHMS)}.")]
    return []


def outputs(props: Mapping[str, Any], record: JwtTemplateRecord) -> Props:
    """The properties of a template as found at Clerk, in the shape of the inputs.

    The signing key is never returned by Clerk: it stays as we last wrote it, unless the template has none.
    """
    found: Props = {
        "name": record.name,
        "claims": record.claims,
        "lifetime": record.lifetime,
        "allowed_clock_skew": record.allowed_clock_skew,
        "api_url": props.get("api_url"),
        "publishable_key": props.get("publishable_key"),
        "adopt": props.get("adopt") is True,
        "claims_namespace": props.get("claims_namespace"),
    }
    if record.custom_signing_key:
        found["signing_algorithm"] = record.signing_algorithm
        found["signing_key"] = props.get("signing_key")
    return {key: value for key, value in found.items() if value is not None}


def differs(old: object, new: object) -> bool:
    """Whether two property values differ. One that is not known yet differs from all."""
    return _has_unknown(new) or plain(old) != plain(new)


def _is_other(old: object, new: object) -> bool:
    """Whether one of WHERE names another instance. One that is not known yet does not."""
    if _is_unknown(new) or old == new:
        return False
    either = [str(value) for value in (old, new)]
    return not (all(text.startswith("pk_") for text in either) and keys.same_instance(*either))


def _frontend_api(props: Mapping[str, Any]) -> str:
    try:
        return keys.parse_publishable_key(str(props.get("publishable_key"))).frontend_api
    except keys.KeyFormatError:
        return str(props.get("api_url"))


def plain(value: object) -> Json:
    """A property value as JSON has it.

    Pulumi hands every number over as a float, and leaves out entries that are null.
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} is no JSON value")


def _create_or_adopt(client: ClerkClient, content: TemplateContent, *, adopt: bool) -> JwtTemplateRecord:
    if present := _named(client, content.name):
        return _take_over(client, present, content, adopt=adopt)
    try:
        return client.create_jwt_template(content)
    except ClerkError as error:
        if error.is_name_taken:
            # Somebody else made it in between.
            if present := _named(client, content.name):
                return _take_over(client, present, content, adopt=adopt)
            raise
        if not error.outcome_unknown:
            raise
        present = _named(client, content.name)
        if not present:
            raise ProviderError(
                f"{error} No template named {content.name!r} is there, so nothing was created; "
                "the next `pulumi up` looks again before it creates."
            ) from None
        # It was not there a moment ago, so it is the one whose answer was lost.
        warn(f"Clerk's answer to the creation of {content.name!r} was lost; found it as {present[0].id}.")
        return _take_over(client, present, content, adopt=True)


def _take_over(
    client: ClerkClient, present: list[JwtTemplateRecord], content: TemplateContent, *, adopt: bool
) -> JwtTemplateRecord:
    if not adopt:
        raise ProviderError(
            f"Clerk has a JWT template named {content.name!r} already ({present[0].id}). "
            "If it was made by hand, take it over, with its claims replaced by the configured ones: "
            "`pulumi config set adoptTemplate true`. If another stack manages it, or anybody needs it as it is, "
            "choose another jwtTemplateName."
        )
    _refuse_several(present, content.name)
    if not differences(present[0], content):
        return present[0]
    return client.update_jwt_template(present[0].id, content)


def _refuse_several(present: list[JwtTemplateRecord], name: str) -> None:
    if len(present) > 1:
        raise ProviderError(
            f"Clerk has {len(present)} JWT templates named {name!r}: {', '.join(r.id for r in present)}. "
            "Delete all but one in the dashboard, then run `pulumi up` again."
        )


def _refuse_taken_name(present: list[JwtTemplateRecord], name: str, *, besides: str) -> None:
    others = [record.id for record in present if record.id != besides]
    if others:
        raise ProviderError(
            f"The JWT template cannot be renamed: {name!r} is the name of {', '.join(others)}. "
            "Choose another jwtTemplateName, or delete that one in the dashboard."
        )


def _named(client: ClerkClient, name: str) -> list[JwtTemplateRecord]:
    return [record for record in client.jwt_templates() if record.name == name]


def _content(props: Mapping[str, Any]) -> TemplateContent:
    return TemplateContent(
        name=str(props["name"]),
        claims=cast(Claims, plain(props["claims"])),
        lifetime=int(props["lifetime"]),
        allowed_clock_skew=int(props["allowed_clock_skew"]),
        signing_algorithm=props.get("signing_algorithm"),
        signing_key=props.get("signing_key"),
    )


def _namespace(props: Mapping[str, Any]) -> str:
    return str(props.get("claims_namespace") or claim_rules.HASURA_NAMESPACE)


def _inputs(found: Mapping[str, Any]) -> Props:
    return {key: found[key] for key in (*COMPARED, *WHERE, "adopt", "claims_namespace") if key in found}


def _is_whole_within(value: object, least: int, most: int) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return float(value).is_integer() and least <= value <= most


def _is_unknown(value: object) -> bool:
    return isinstance(value, Unknown)


def _has_unknown(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_has_unknown(item) for item in value.values())
    if isinstance(value, list | tuple):
        return any(_has_unknown(item) for item in value)
    return _is_unknown(value)
