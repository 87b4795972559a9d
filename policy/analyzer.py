"""The pack as a plugin of the Pulumi engine: an `Analyzer` service over gRPC (proto/pulumi/analyzer.proto).

Pulumi's own package for policy packs in Python asks for an older protobuf than its SDK allows beside it, and hides from
a rule whether a value is marked secret. The service and its messages come with the SDK.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent import futures
from datetime import date
from typing import Final

import grpc
from google.protobuf import empty_pb2, json_format
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import analyzer_pb2, analyzer_pb2_grpc, plugin_pb2

from policy.enforcement import Level, level
from policy.exceptions import Exceptions
from policy.findings import EXCEPTIONS, Finding, findings
from policy.properties import resource
from policy.rule import Rule

NAME: Final = "clerk-hasura"
VERSION: Final = "1.0.0"
"""Also in PulumiPolicy.yaml, where the CLI reads it."""

_LEVELS: Final = {"mandatory": analyzer_pb2.MANDATORY, "advisory": analyzer_pb2.ADVISORY}
_SEVERITIES: Final = {
    "low": analyzer_pb2.POLICY_SEVERITY_LOW,
    "medium": analyzer_pb2.POLICY_SEVERITY_MEDIUM,
    "high": analyzer_pb2.POLICY_SEVERITY_HIGH,
    "critical": analyzer_pb2.POLICY_SEVERITY_CRITICAL,
}


class Analyzer(analyzer_pb2_grpc.AnalyzerServicer):
    """Answers the engine about the resources of one stack."""

    def __init__(self, rules: Sequence[Rule], *, exceptions: Exceptions, today: Callable[[], date]) -> None:
        self._rules = tuple(rules)
        self._exceptions = exceptions
        self._today = today
        self._stack = ""
        # Until the engine names the stack: what is not known to be harmless is not let pass.
        self._level: Level = "mandatory"

    def Handshake(
        self, request: analyzer_pb2.AnalyzerHandshakeRequest, context: grpc.ServicerContext
    ) -> analyzer_pb2.AnalyzerHandshakeResponse:
        return analyzer_pb2.AnalyzerHandshakeResponse()

    def ConfigureStack(
        self, request: analyzer_pb2.AnalyzerStackConfigureRequest, context: grpc.ServicerContext
    ) -> analyzer_pb2.AnalyzerStackConfigureResponse:
        """Gets the stack's name and its configuration, of which only one key is looked at."""
        self._stack = request.stack.rsplit("/", 1)[-1]
        self._level = level(request.project, request.config)
        return analyzer_pb2.AnalyzerStackConfigureResponse()

    def Configure(
        self, request: analyzer_pb2.ConfigureAnalyzerRequest, context: grpc.ServicerContext
    ) -> empty_pb2.Empty:
        """Nothing can be configured: what a stack may do otherwise stands in the file of exceptions."""
        return empty_pb2.Empty()

    def GetAnalyzerInfo(
        self, request: empty_pb2.Empty, context: grpc.ServicerContext
    ) -> analyzer_pb2.AnalyzerInfo:
        return analyzer_pb2.AnalyzerInfo(
            name=NAME,
            displayName="Clerk and Hasura",
            version=VERSION,
            supportsConfig=False,
            policies=[
                analyzer_pb2.PolicyInfo(
                    name=rule.name,
                    description=rule.description,
                    enforcementLevel=_LEVELS[self._level],
                    severity=_SEVERITIES[rule.severity],
                    policy_type=analyzer_pb2.POLICY_TYPE_RESOURCE,
                    remediation_steps=rule.remedy,
                )
                for rule in (*self._rules, EXCEPTIONS)
            ],
        )

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=VERSION)

    def Analyze(
        self, request: analyzer_pb2.AnalyzeRequest, context: grpc.ServicerContext
    ) -> analyzer_pb2.AnalyzeResponse:
        """Tells what is wrong with one resource."""
        seen = resource(
            type_=request.type,
            name=request.name,
            urn=request.urn,
            properties=json_format.MessageToDict(request.properties),
            protect=request.options.protect,
        )
        found = findings(
            self._rules,
            seen,
            exceptions=self._exceptions,
            stack=self._stack,
            level=self._level,
            today=self._today(),
        )
        return analyzer_pb2.AnalyzeResponse(diagnostics=[_diagnostic(one) for one in found])

    def AnalyzeStack(
        self, request: analyzer_pb2.AnalyzeStackRequest, context: grpc.ServicerContext
    ) -> analyzer_pb2.AnalyzeResponse:
        """No rule is about several resources at once."""
        return analyzer_pb2.AnalyzeResponse()

    def Remediate(
        self, request: analyzer_pb2.AnalyzeRequest, context: grpc.ServicerContext
    ) -> analyzer_pb2.RemediateResponse:
        """Nothing is changed: what is deployed is what the program says."""
        return analyzer_pb2.RemediateResponse()

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        return empty_pb2.Empty()


def _diagnostic(finding: Finding) -> analyzer_pb2.AnalyzeDiagnostic:
    return analyzer_pb2.AnalyzeDiagnostic(
        policyName=finding.rule,
        policyPackName=NAME,
        policyPackVersion=VERSION,
        description=finding.description,
        message=finding.text,
        enforcementLevel=_LEVELS[finding.level],
        severity=_SEVERITIES[finding.severity],
    )


def serve(rules: Sequence[Rule], *, exceptions: Exceptions, today: Callable[[], date]) -> None:
    """Serves until the engine ends this process. The port is the first line of the output (the plugin protocol)."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=_GRPC_CHANNEL_OPTIONS)
    analyzer_pb2_grpc.add_AnalyzerServicer_to_server(
        Analyzer(rules, exceptions=exceptions, today=today), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    try:
        server.wait_for_termination()
    except KeyboardInterrupt:
        server.stop(0)
