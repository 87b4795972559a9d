"""What a pipeline decides and writes."""

from __future__ import annotations

import pytest

from pipeline import texts
from pipeline.__main__ import PipelineError, environment_of

LOCAL = {"PATH": "/tools", "PULUMI_BACKEND_URL": "file:///local", "PULUMI_CONFIG_PASSPHRASE": "public"}


@pytest.mark.parametrize(
    ("given", "backend", "passphrase"),
    [
        ({"PULUMI_BACKEND_URL": "s3://b", "PULUMI_CONFIG_PASSPHRASE": "p"}, "s3://b", "p"),
        ({"PULUMI_BACKEND_URL": "s3://b"}, "s3://b", None),
        ({"PULUMI_ACCESS_TOKEN": "t"}, None, None),
    ],
)
def test_a_pipeline_never_works_in_the_local_backend_by_chance(
    given: dict[str, str], backend: str | None, passphrase: str | None
) -> None:
    made = environment_of({**given, "PATH": "/bin"}, LOCAL)
    assert made["PATH"] == "/tools"
    assert made.get("PULUMI_BACKEND_URL") == backend
    assert made.get("PULUMI_CONFIG_PASSPHRASE") == passphrase


def test_no_backend_is_told() -> None:
    with pytest.raises(PipelineError, match="No backend is named"):
        environment_of({"PULUMI_BACKEND_URL": "", "PATH": "/bin"}, LOCAL)


def test_texts_are_found_again_by_topic_and_stack() -> None:
    outputs = {"graphqlUrl": "http://h/v1/graphql", "frontendApiUrl": "http://h:1"}
    assert texts.plan_comment("prod", "# Plan").startswith(texts.marker("plan", "prod"))
    assert texts.drift_issue("prod", "# Plan").startswith(texts.marker("drift", "prod"))
    for text in (texts.review_comment("pr-7", outputs, local_clerk=True), texts.review_gone("pr-7")):
        assert text.startswith(texts.marker("stack", "pr-7"))
    assert len({texts.marker(topic, stack) for topic in ("plan", "drift") for stack in ("prod", "pr")}) == 4
