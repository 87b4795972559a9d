"""A service of Docker Swarm: what it is to be, how Swarm is told, and what became of it."""
