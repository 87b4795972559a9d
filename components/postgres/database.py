"""What the rest of a stack needs of its Postgres, wherever that runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pulumi


def _nothing(_engine: pulumi.Resource, _id: pulumi.Input[str]) -> None:
    """A database that somebody else runs has no logins of ours to remove."""


@dataclass(frozen=True, kw_only=True)
class Database:
    """The data database, and the one for Hasura's own catalog.

    :param data_url: by which the engine's container reaches the data database. A Pulumi secret, as all URLs here.
    :param metadata_url: the same for the catalog's.
    :param outside_url: by which the data database is reached from where the deployment runs.
    :param files: name to content of files that the URLs name, in the folder `components.hardening.FILES`.
    :param pooled: whether sessions may change hands between transactions, so that nothing may be prepared in one.
    :param ready: what must be there before an engine starts.
    :param retire_logins: to be called with what says that a new engine is healthy, and with that engine's id, so
        that what the engine before it logged in as is removed then, and not before.
    """

    data_url: pulumi.Output[str]
    metadata_url: pulumi.Output[str]
    outside_url: pulumi.Output[str]
    files: Mapping[str, str] = field(default_factory=dict)
    pooled: bool = False
    ready: Sequence[pulumi.Resource] = ()
    retire_logins: Callable[[pulumi.Resource, pulumi.Input[str]], None] = _nothing
