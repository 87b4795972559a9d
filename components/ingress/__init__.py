"""Caddy: before the engine's replicas, before everybody, or both."""
