"""Where tools come from, as data: what was found in, what is done out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from local.toolchain.decisions import (
    Candidate,
    DockerSituation,
    DockerStep,
    DockerTrouble,
    GoStep,
    Step,
    docker_plan,
    go_step,
    obstacles,
    steps,
)
from local.toolchain.machine import Machine
from local.toolchain.python_environment import VenvSituation, VenvStep, venv_plan

CANDIDATES = [
    pytest.param(
        Candidate(wanted="3.259.0", on_machine="3.259.0"), (Step.USE_MACHINE,), id="the same version"
    ),
    pytest.param(Candidate(wanted="3.259.0", on_machine="v3.300.1"), (Step.USE_MACHINE,), id="a newer one"),
    pytest.param(
        Candidate(wanted="3.259.0", on_machine="3.258.9"), (Step.DOWNLOAD, Step.BUILD), id="an older one"
    ),
    pytest.param(
        Candidate(wanted="3.259.0", on_machine="4.0.0"),
        (Step.DOWNLOAD, Step.BUILD),
        id="another major version",
    ),
    pytest.param(Candidate(wanted="3.259.0", on_machine="dev"), (Step.DOWNLOAD, Step.BUILD), id="no version"),
    pytest.param(
        Candidate(wanted="3.259.0", on_machine="3.9.0", cached=True),
        (Step.USE_CACHE,),
        id="an older one, cached",
    ),
    pytest.param(
        Candidate(wanted="3.259.0", on_machine="3.259.1", cached=True),
        (Step.USE_MACHINE,),
        id="machine before cache",
    ),
    pytest.param(Candidate(wanted="1.0.0", vendor_obstacle="no route"), (Step.BUILD,), id="no vendor"),
    pytest.param(Candidate(wanted="1.0.0", build_obstacle="no Go"), (Step.DOWNLOAD,), id="no Go"),
    pytest.param(
        Candidate(wanted="1.0.0", vendor_obstacle="no route", build_obstacle="no Go"), (), id="nothing"
    ),
]


@pytest.mark.parametrize(("candidate", "expected"), CANDIDATES)
def test_sources_are_tried_in_order(candidate: Candidate, expected: tuple[Step, ...]) -> None:
    assert steps(candidate) == expected


def test_a_tool_that_cannot_be_had_is_told_with_each_reason() -> None:
    text = obstacles(
        "pulumi",
        Candidate(
            wanted="3.259.0",
            on_machine="3.1.0",
            vendor_obstacle="host.test cannot be reached",
            build_obstacle="no Go",
        ),
    )
    for part in ("pulumi 3.259.0", "3.1.0 is too old", "host.test cannot be reached", "no Go"):
        assert part in text


LINUX = Machine(system="linux", architecture="x64", root=False, debian=True, systemd=True)
ROOT = replace(LINUX, root=True)
MAC = Machine(system="darwin", architecture="arm64", root=False, debian=False, systemd=False)


def docker(machine: Machine, trouble: DockerTrouble | None, **changes: object) -> DockerSituation:
    return DockerSituation(machine=machine, minimum="20.10", trouble=trouble, **changes)  # type: ignore[arg-type]


DOCKERS = [
    pytest.param(docker(LINUX, None, server_version="28.2.2"), DockerStep.USE, "", id="it answers"),
    pytest.param(
        docker(MAC, None, server_version="20.10.24+dfsg1"), DockerStep.USE, "", id="the oldest, on macOS"
    ),
    pytest.param(
        docker(ROOT, None, server_version="19.03.1"), DockerStep.FAIL, "19.03.1 is too old", id="an old one"
    ),
    pytest.param(docker(ROOT, DockerTrouble.NO_CLIENT), DockerStep.INSTALL, "", id="none, root"),
    pytest.param(docker(ROOT, DockerTrouble.SILENT), DockerStep.INSTALL, "", id="a client only, root"),
    pytest.param(
        docker(ROOT, DockerTrouble.SILENT, daemon_installed=True),
        DockerStep.START,
        "",
        id="not started, root",
    ),
    pytest.param(
        docker(ROOT, DockerTrouble.NO_CLIENT, daemon_installed=True),
        DockerStep.INSTALL,
        "",
        id="a daemon only, root",
    ),
    pytest.param(
        docker(replace(ROOT, debian=False), DockerTrouble.NO_CLIENT),
        DockerStep.FAIL,
        "docs.docker.com/engine/install",
        id="none, root, not Debian",
    ),
    pytest.param(
        docker(LINUX, DockerTrouble.NO_CLIENT),
        DockerStep.FAIL,
        "sudo apt-get install docker.io iptables",
        id="none, a user",
    ),
    pytest.param(
        docker(LINUX, DockerTrouble.SILENT, daemon_installed=True),
        DockerStep.FAIL,
        "`sudo systemctl start docker`",
        id="not started, a user",
    ),
    pytest.param(
        docker(LINUX, DockerTrouble.PERMISSION, daemon_installed=True),
        DockerStep.FAIL,
        'sudo usermod -aG docker "$USER"',
        id="not in the group docker",
    ),
    pytest.param(
        docker(
            ROOT, DockerTrouble.SILENT, named_host="DOCKER_HOST=tcp://10.0.0.1:2375", daemon_installed=True
        ),
        DockerStep.FAIL,
        "DOCKER_HOST=tcp://10.0.0.1:2375",
        id="a named daemon is never replaced",
    ),
    pytest.param(docker(MAC, DockerTrouble.SILENT), DockerStep.FAIL, "Docker Desktop or colima", id="macOS"),
]


@pytest.mark.parametrize(("situation", "step", "words"), DOCKERS)
def test_docker_is_used_started_installed_or_asked_for(
    situation: DockerSituation, step: DockerStep, words: str
) -> None:
    plan = docker_plan(situation)
    assert plan.step is step
    assert words in plan.problem
    assert bool(plan.problem) == (step is DockerStep.FAIL)


GOES = [
    ("1.25.11", LINUX, GoStep.USE),
    ("1.26.0", MAC, GoStep.USE),
    ("1.24.4", LINUX, GoStep.SWITCH),
    ("1.21", MAC, GoStep.SWITCH),
    ("1.19.8", ROOT, GoStep.INSTALL),
    ("1.19.8", LINUX, None),
    (None, ROOT, GoStep.INSTALL),
    (None, LINUX, None),
    (None, MAC, None),
]


@pytest.mark.parametrize(("found", "machine", "expected"), GOES)
def test_go_is_used_switched_or_installed(
    found: str | None, machine: Machine, expected: GoStep | None
) -> None:
    assert go_step(found, required="1.25.11", minimum="1.21", machine=machine) is expected


def venv(machine: Machine = LINUX, **changes: object) -> VenvSituation:
    known: dict[str, object] = {
        "python_version": "3.11.2",
        "minimum": "3.11",
        "venv_module": True,
        "works": False,
        "installed": {},
        "wanted": {"requirements.txt": "a"},
    }
    return VenvSituation(machine=machine, **{**known, **changes})  # type: ignore[arg-type]


VENVS = [
    pytest.param(venv(), VenvStep.CREATE, "", id="none"),
    pytest.param(venv(works=True, installed={"requirements.txt": "a"}), VenvStep.USE, "", id="current"),
    pytest.param(
        venv(works=True, installed={"requirements.txt": "b"}), VenvStep.INSTALL, "", id="other requirements"
    ),
    pytest.param(venv(works=True), VenvStep.INSTALL, "", id="left half-made"),
    pytest.param(
        venv(
            works=True,
            installed={"requirements.txt": "a"},
            wanted={"requirements.txt": "a", "requirements-dev.txt": "c"},
        ),
        VenvStep.INSTALL,
        "",
        id="development packages missing",
    ),
    pytest.param(
        venv(works=True, installed={"requirements.txt": "a", "requirements-dev.txt": "c"}),
        VenvStep.USE,
        "",
        id="development packages too many",
    ),
    pytest.param(venv(ROOT, venv_module=False), VenvStep.INSTALL_VENV_MODULE, "", id="no venv module, root"),
    pytest.param(
        venv(venv_module=False),
        VenvStep.FAIL,
        "sudo apt-get install python3-venv",
        id="no venv module, a user",
    ),
    pytest.param(venv(MAC, venv_module=False), VenvStep.FAIL, "venv module", id="no venv module, macOS"),
    pytest.param(
        venv(python_version="3.10.12"), VenvStep.FAIL, "Python 3.10.12 is too old", id="an old Python"
    ),
]


@pytest.mark.parametrize(("situation", "step", "words"), VENVS)
def test_the_python_environment_is_used_mended_or_made(
    situation: VenvSituation, step: VenvStep, words: str
) -> None:
    plan = venv_plan(situation)
    assert plan.step is step
    assert words in plan.problem
    assert bool(plan.problem) == (step is VenvStep.FAIL)
