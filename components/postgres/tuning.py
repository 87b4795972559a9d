"""PostgreSQL's settings for a container of a stated size. Pure.

Sources, for PostgreSQL 17: https://www.postgresql.org/docs/17/runtime-config-resource.html (a quarter of the memory
as a start for shared_buffers; work_mem may be used several times by each session; maintenance_work_mem may be much
larger than work_mem), https://www.postgresql.org/docs/17/runtime-config-query.html (effective_cache_size counts
shared_buffers and the system's cache), https://www.postgresql.org/docs/17/runtime-config-wal.html (max_wal_size,
1 GB by default), and the formulas of PGTune (https://github.com/le0pard/pgtune) for a web application.
"""

from __future__ import annotations

from collections.abc import Mapping

_KB = 1024
_GB = 1024


def tuning(*, memory_mb: int, max_connections: int) -> Mapping[str, str]:
    """Server settings for a container with so much memory.

    :param memory_mb: memory limit of the container in MB, 256 or more.
    :param max_connections: connections that the server allows.
    :returns: setting to value as PostgreSQL writes it, in a fixed order.
    """
    shared_buffers = memory_mb // 4
    # Up to three sorts or hashes in a session at a time, over all sessions, in what shared_buffers leaves.
    work_mem_kb = max(_KB, (memory_mb - shared_buffers) * _KB // (max_connections * 3))
    max_wal_size = min(max(_GB, memory_mb), 16 * _GB)
    return {
        "max_connections": str(max_connections),
        "shared_buffers": f"{shared_buffers}MB",
        "effective_cache_size": f"{memory_mb * 3 // 4}MB",
        "work_mem": f"{work_mem_kb}kB",
        "maintenance_work_mem": f"{min(memory_mb // 16, 2 * _GB)}MB",
        "max_wal_size": f"{max_wal_size}MB",
        "min_wal_size": f"{max_wal_size // 4}MB",
    }


def shared_memory_mb(memory_mb: int) -> int:
    """Size of ``/dev/shm`` in MB. Parallel queries share memory there, and Docker's 64 MB is too little for more
    than a few workers."""
    return max(64, memory_mb // 4)


def server_arguments(settings: Mapping[str, str]) -> list[str]:
    """Arguments of the image that start the server with these settings."""
    return ["postgres", *(word for key, value in settings.items() for word in ("-c", f"{key}={value}"))]
