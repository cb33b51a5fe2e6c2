"""Answers about a sys-scan report from a local model and from rules, without a network.

``analyze_with_local_model`` gives the enriched document of one report. ``LocalProvider`` gives the same answers to
sys_scan_graph_agent, and ``agent`` runs that agent with it. Rules decide severities, scores and counts; a model's text is
taken where it is finished, valid, grounded in the report and sure enough, and each answer says where it comes from.
"""

from .analysis import Analysis, analyze, analyze_with_local_model
from .errors import AskError, ModelError, PipeError, RefusedServer, RuntimeFailure
from .provider import LocalProvider
from .runtimes import Answer, Question, Runtime

__all__ = [
    "Analysis",
    "Answer",
    "AskError",
    "LocalProvider",
    "ModelError",
    "PipeError",
    "Question",
    "RefusedServer",
    "Runtime",
    "RuntimeFailure",
    "analyze",
    "analyze_with_local_model",
]
