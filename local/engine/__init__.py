"""The local engine: a stand-in for hasura/graphql-engine v2.48.10, community edition.

It is used only where that image can neither be found nor pulled. It answers what the contract suite in
`tests/contract/hasura` asks, keeps the whole metadata tree, and executes the part of it that grants
roles access to Postgres tables. It is no replacement for the engine: it has no subscriptions, actions,
remote schemas, event triggers, functions or computed fields, and every answer carries the header
`X-Local-Engine: stand-in`.
"""

ENGINE_VERSION = "v2.48.10"
"""The engine version whose answers this stand-in gives."""

STAND_IN_HEADER = ("X-Local-Engine", "stand-in")
"""Header on every answer, so that nobody takes the stand-in for the engine."""
