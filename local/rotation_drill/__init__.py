"""A rehearsal of a rotation of Clerk's signing key: what the engine accepts, and from when on."""
