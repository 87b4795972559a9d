"""Finished tools are whole or absent."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from local.toolchain.progress import Progress
from local.toolchain.store import Store, digest
from tests.toolchain.release_server import leftovers

ROOT = Path(__file__).resolve().parents[2]


def test_what_is_finished_is_there_with_its_source(store: Store) -> None:
    with store.making("tool") as making:
        (making.made / "tool").write_text("x")
        (making.scratch / "junk").write_text("x")
        assert store.get("tool") is None
        making.finish(version="1.2.3", source="built (3 s)")
    artifact = store.get("tool")
    assert artifact is not None
    assert (artifact.version, artifact.source) == ("1.2.3", "built (3 s)")
    assert sorted(file.name for file in artifact.folder.iterdir()) == ["artifact.json", "tool"]
    assert leftovers(store) == []


def test_an_error_leaves_nothing(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), store.making("tool") as making:
        (making.made / "tool").write_text("half")
        raise KeyboardInterrupt
    assert store.get("tool") is None
    assert not [path for path in store.root.rglob("*") if path.is_file()]


def test_an_unfinished_block_leaves_nothing(store: Store) -> None:
    with store.making("tool") as making:
        (making.made / "tool").write_text("half")
    assert store.get("tool") is None
    assert leftovers(store) == []


def test_a_folder_without_its_record_is_replaced(store: Store, tmp_path: Path) -> None:
    stray = store.root / "tools" / "tool"
    stray.mkdir(parents=True)
    (stray / "stray").write_text("x")
    assert store.get("tool") is None
    with store.making("tool") as making:
        (making.made / "tool").write_text("whole")
        making.finish(version="1", source="built")
    assert not (stray / "stray").exists()
    assert (stray / "tool").read_text() == "whole"


def test_the_faster_of_two_makers_wins(store: Store) -> None:
    with store.making("tool") as slow:
        (slow.made / "maker").write_text("slow")
        # In the same process both would have the same working folder.
        fast = store.root / "tools" / "tool"
        fast.mkdir(parents=True)
        (fast / "maker").write_text("fast")
        (fast / "artifact.json").write_text('{"version": "1", "source": "built"}')
        slow.finish(version="1", source="built")
    assert (fast / "maker").read_text() == "fast"
    assert leftovers(store) == []


def test_what_a_killed_set_up_left_is_removed_by_the_next(store: Store, progress: Progress) -> None:
    program = (
        "import sys, pathlib, time; from local.toolchain.store import Store\n"
        "with Store(pathlib.Path(sys.argv[1])).making('tool') as making:\n"
        "    (making.made / 'tool').write_text('half'); print('begun', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(store.root)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begun\n"
        child.kill()
    assert child.returncode == -signal.SIGKILL
    assert leftovers(store) != []
    assert store.get("tool") is None
    with store.lock(progress):
        assert leftovers(store) == []


def test_a_second_set_up_waits_for_the_first_and_says_so(store: Store) -> None:
    said = io.StringIO()
    order: list[str] = []
    inside = threading.Event()

    def second() -> None:
        inside.wait(10)
        with Store(store.root).lock(Progress(said, live=True)):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with store.lock(Progress(io.StringIO(), live=False)):
        inside.set()
        # Ends when the other has said that it waits; its own time-out is the test's.
        deadline = threading.Event()
        for _ in range(200):
            if "another set-up is running (process " in said.getvalue():
                break
            deadline.wait(0.05)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert "another set-up is running (process " in said.getvalue()


def test_a_digest_follows_names_modes_and_contents(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    file = folder / "a"
    file.write_text("x")
    seen = {digest(folder)}
    file.write_text("y")
    seen.add(digest(folder))
    file.chmod(0o755)
    seen.add(digest(folder))
    file.rename(folder / "b")
    seen.add(digest(folder))
    assert len(seen) == 4
    before = digest(folder)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "b.pyc").write_text("z")
    assert digest(folder) == before
