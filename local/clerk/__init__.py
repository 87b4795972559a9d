"""A stand-in for Clerk that runs on the developer's own machine.

It answers the part of Clerk's Backend API and front-end API that this project, the official SDKs and
clerk-js use, with Clerk's status codes and error bodies, so that a stack can be deployed and proven
without an account. It is not Clerk: it has no passwords, no e-mail, no organizations and no rate limits,
and every response says so in the header `X-Local-Clerk`. What it answers is held against Clerk's
documentation by the cases in `tests/contract/clerk`.
"""
