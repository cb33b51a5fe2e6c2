"""The provider's three methods, with the agent's protocol written again."""

from __future__ import annotations

import copy
import json
import os
from typing import Any
from unittest import skipUnless

import gguf_file
from support import MODEL, RECORDED, REPORT, Case, Saying, finding, pretend_agent

from sys_scan_pipe import LocalProvider
from sys_scan_pipe.protocol import ProviderMetadata, Summaries


class Reductions:
    """As the agent fills it from a real report."""

    module_summary: dict[str, Any] | None = {}
    suid_summary: dict[str, Any] | None = {}
    network_summary: dict[str, Any] | None = {"listen_count": 3}
    top_findings: list[dict[str, Any]] = [{"id": "1", "title": "one", "severity": "high", "risk_score": 50, "tags": []}]


def summarized(provider: LocalProvider, **options: Any) -> tuple[Any, Any]:
    return provider.summarize(Reductions(), [], [], **options)


class Summarize(Case):
    def test_it_gives_the_rules_answer_with_its_source(self) -> None:
        summaries, metadata = summarized(LocalProvider(REPORT, None))
        self.assertIsInstance(summaries, Summaries)
        self.assertIsInstance(metadata, ProviderMetadata)
        self.assertGreater(len(summaries.executive_summary or ""), 20)
        self.assertEqual(set(summaries.analyst), {"key_findings", "risk_assessment", "recommendations"})
        self.assertIn("priority_level", summaries.triage_summary)
        self.assertTrue(summaries.action_narrative.startswith("1. "))
        self.assertEqual(summaries.metrics["pipe"]["answers"]["summary"]["source"], "rule")
        self.assertEqual((metadata.model_name, metadata.provider_name, metadata.fallback), ("rules", "sys-scan-pipe", True))
        self.assertTrue(metadata.error_message)
        for key in ("tokens_prompt", "tokens_completion"):
            self.assertEqual(summaries.metrics[key], getattr(metadata, key))

    def test_the_report_is_asked_about_once(self) -> None:
        report = self.report("scan.json", [finding("/usr/bin/x")])
        provider = LocalProvider("scan.json", None)
        first = summarized(provider)
        report.unlink()
        os.chdir("/")
        second = summarized(provider)
        self.assertEqual(first[0].executive_summary, second[0].executive_summary)
        self.assertEqual((first[1].cached, second[1].cached), (False, True))

    def test_paths_may_be_relative_to_where_it_was_made(self) -> None:
        self.report("scan.json", [finding("/usr/bin/x")])
        provider = LocalProvider("scan.json", None)
        os.chdir("/")
        self.assertIn("answers", summarized(provider)[0].metrics["pipe"])
        self.assertNotIn("error", summarized(provider)[0].metrics["pipe"])

    def test_users_in_paths_are_hidden(self) -> None:
        report = self.report("scan.json", [finding("/home/alice/bin/x", severity="high")], scanner="world_writable")
        summaries, _ = summarized(LocalProvider(report, None))
        told = json.dumps([summaries.executive_summary, summaries.analyst, summaries.triage_summary])
        self.assertNotIn("alice", told)

    def test_a_skipped_one_is_the_former_with_a_note(self) -> None:
        former = Summaries(executive_summary="as before", metrics={"kept": 1})
        summaries, metadata = summarized(LocalProvider(REPORT, None), skip=True, previous=former, skip_reason="quiet")
        self.assertEqual(summaries.executive_summary, "as before | No material change: reused previous summary")
        self.assertEqual((summaries.metrics["kept"], summaries.metrics["skip_reason"]), (1, "quiet"))
        self.assertTrue(metadata.cached)
        self.assertEqual(former.executive_summary, "as before")
        # The agent passes an empty one at the first scan.
        summaries, _ = summarized(LocalProvider(REPORT, None), skip=True, previous=Summaries())
        self.assertIn("pipe", summaries.metrics)


class Errors(Case):
    def test_a_model_that_cannot_be_used_leaves_the_rules(self) -> None:
        summaries, metadata = summarized(LocalProvider(REPORT, "gone.gguf"))
        self.assertEqual(summaries.executive_summary, summarized(LocalProvider(REPORT, None))[0].executive_summary)
        self.assertTrue(metadata.fallback)
        self.assertIn("there is no such model", metadata.error_message or "")
        self.assertIn("there is no such model", summaries.metrics["pipe"]["error"])

    @skipUnless(RECORDED or MODEL, "no model")
    def test_a_runtime_that_fails_leaves_the_rules(self) -> None:
        class Failing(Saying):
            def generate(self, questions: Any) -> Any:
                raise MemoryError

        provider = LocalProvider(REPORT, self.model(gguf_file.settings()), runtime=Failing(""))
        summaries, metadata = summarized(provider)
        self.assertEqual(metadata.error_message, "MemoryError")
        self.assertEqual(summaries.metrics["pipe"]["answers"]["summary"]["source"], "rule")

    def test_a_history_that_is_none_is_left_out(self) -> None:
        later = self.report("later.json", [], started="2126-01-01T00:00:00Z")
        summaries, metadata = summarized(LocalProvider(REPORT, None, [later]))
        self.assertEqual(summaries.executive_summary, summarized(LocalProvider(REPORT, None))[0].executive_summary)
        self.assertIn("did not start before", metadata.error_message or "")

    def test_a_report_that_cannot_be_read_leaves_what_the_agent_says(self) -> None:
        provider = LocalProvider("gone.json", "gone.gguf")
        summaries, metadata = summarized(provider)
        self.assertEqual(summaries.executive_summary, "1 top findings, 0 correlations. First: high: one.")
        self.assertIn("gone.json: there is no such report", metadata.error_message or "")
        triage, _ = provider.triage(Reductions(), [1, 2])
        self.assertEqual((triage["top_findings"][0]["id"], triage["correlation_count"]), ("1", 2))
        suggestions = [{"id": "a", "tags": ["t"]}]
        self.assertEqual(provider.refine_rules(copy.deepcopy(suggestions))[0], suggestions)


class Refine(Case):
    def test_it_changes_the_suggestions_in_place_and_returns_them(self) -> None:
        report = self.report("scan.json", [finding(f"/usr/bin/x{n}") for n in range(3)])
        suggestion: dict[str, Any] = {
            "id": "gap_suid_sgid_binary",
            "title": "Auto Suggested: Suid",
            "rationale": "Suggested",
            "conditions": [{"field": "title", "contains": "binary"}],
            "logic": "all",
            "risk_score_delta": 5,
            "tags": ["auto_suggested", "gap_candidate"],
        }
        other = {"id": "gap_other", "tags": []}
        suggestions: list[dict[str, Any]] = [suggestion, dict(other)]
        refined, metadata = LocalProvider(report, None).refine_rules(suggestions, examples=None)
        self.assertIs(refined, suggestions)
        self.assertIs(refined[0], suggestion)
        self.assertEqual(suggestion["conditions"], [{"field": "title", "contains": "SUID/SGID binary"}])
        self.assertEqual(suggestion["tags"][:2], ["auto_suggested", "gap_candidate"])
        self.assertIn("refined", suggestion["tags"])
        self.assertEqual(suggestion["title"], "Auto Suggested: Suid")
        self.assertEqual(suggestions[1], other)
        self.assertTrue(metadata.fallback)


class Triage(Case):
    def test_it_gives_the_answer_with_its_own_keys(self) -> None:
        triage, metadata = LocalProvider(REPORT, None).triage(Reductions(), [])
        self.assertEqual(set(triage), {"TOP_FINDINGS", "CORRELATION_COUNT", "PRIORITY_LEVEL", "RESPONSE_ACTIONS"})
        self.assertEqual(metadata.provider_name, "sys-scan-pipe")


class WithTheAgent(Case):
    def test_its_own_classes_are_used(self) -> None:
        pretend_agent(self)
        from sys_scan_graph_agent import llm_provider, models

        provider = LocalProvider(REPORT, None)
        summaries, metadata = summarized(provider)
        self.assertIsInstance(summaries, models.Summaries)
        self.assertIsInstance(metadata, llm_provider.ProviderMetadata)
        llm_provider.set_llm_provider(provider)
        self.assertIs(llm_provider.get_llm_provider(), provider)
