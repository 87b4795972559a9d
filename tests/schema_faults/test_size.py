"""A project of ten thousand migrations, one of them large: what a preview of it takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = 10_000
LARGE = 50_000_000
MEGABYTE = 1024
"""In the kilobytes in which Linux counts."""
# VmHWM and not getrusage's ru_maxrss, which a process takes over from the one that forked it: here pytest.
PREVIEW = """
import json, pathlib
from tests.schema_faults.deployer import inputs, preview
wanted = inputs("http://127.0.0.1:1", "nobody")
refused = preview(wanted)
status = pathlib.Path("/proc/self/status").read_text()
peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))
print(json.dumps({"refused": refused, "state": len(json.dumps(wanted)), "peak": peak}))
"""


def test_a_large_file_and_many_files_are_previewed_in_bounded_memory(tmp_path: Path) -> None:
    source = tmp_path / "migrations" / "default"
    for version in range(1, FILES + 1):
        folder = source / f"{version:06}_m"
        folder.mkdir(parents=True)
        (folder / "up.sql").write_text(f"insert into ran (version) values ({version});\n")
    line = "insert into large values " + ", ".join(f"({n}, 'it''s {n}')" for n in range(50)) + ";\n"
    large = source / "900000_large" / "up.sql"
    large.parent.mkdir()
    with large.open("w") as file:
        for _ in range(LARGE // len(line) + 1):
            file.write(line)
    assert large.stat().st_size >= LARGE
    done = subprocess.run(
        [sys.executable, "-c", PREVIEW],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout)
    assert said["refused"] == []
    assert said["state"] < 2_000_000
    assert said["peak"] < 400 * MEGABYTE
