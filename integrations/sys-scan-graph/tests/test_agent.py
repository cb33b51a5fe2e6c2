"""The agent's two paths, with a stand-in that has its traps."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from support import REPORT, Case, finding, pretend_agent

from sys_scan_pipe import AskError, LocalProvider, PipeError, agent


class Missing(Case):
    def test_without_the_agent_the_error_says_what_to_do(self) -> None:
        with self.assertRaisesRegex(PipeError, "No module named 'sys_scan_graph_agent': put its directory `agent` on PYTHONPATH"):
            agent.run_pipeline(REPORT, None)
        self.assertEqual(os.getcwd(), str(self.place))


class Paths(Case):
    def setUp(self) -> None:
        super().setUp()
        pretend_agent(self)
        self.environment(LANGSMITH_API_KEY="k", AGENT_LLM_PROVIDER="openai", AGENT_LLM_PROVIDER_ALT="__use_null__")

    def test_the_pipeline_keeps_the_whole_summary_and_leaves_nothing(self) -> None:
        found = agent.run_pipeline(REPORT, None)
        self.assertNotIn("REDACTED", found.summaries.executive_summary)
        self.assertGreater(len(found.summaries.executive_summary), 20)
        self.assertFalse(found.traced)
        self.assertEqual(found.setting, "null")
        self.assertEqual(os.listdir(self.place), [])
        self.assertFalse(Path(found.directory).exists())
        self.assertTrue(str(found.baseline).startswith(found.directory))
        self.assertEqual(os.getcwd(), str(self.place))
        self.assertEqual(os.environ["LANGSMITH_API_KEY"], "k")
        self.assertEqual(os.environ["AGENT_LLM_PROVIDER"], "openai")
        self.assertNotIn("AGENT_BASELINE_DB", os.environ)

    def test_a_baseline_is_the_callers(self) -> None:
        found = agent.run_pipeline(REPORT, None, baseline="memory.db")
        self.assertEqual(found.baseline, str(self.place / "memory.db"))

    def test_users_in_paths_are_hidden(self) -> None:
        report = self.report("scan.json", [finding("/home/alice/bin/x", severity="high")], scanner="world_writable")
        self.assertNotIn("alice", str(agent.run_pipeline(report, None).summaries))

    def test_the_governor_hides_users_and_cuts_nothing(self) -> None:
        from sys_scan_graph_agent import data_governance, models

        said = models.Summaries(executive_summary="a program in /home/alice/bin was deleted", analyst={"rationale": ["/home/bob"]})
        kept = agent.governor(data_governance).redact_output_narratives(said)
        self.assertEqual(kept.executive_summary, "a program in /home/<user>/bin was deleted")
        self.assertEqual(kept.analyst, {"rationale": ["/home/<user>"]})

    def test_what_was_set_before_is_set_again(self) -> None:
        from sys_scan_graph_agent import data_governance, llm_provider

        before = llm_provider._PROVIDER
        with self.assertRaises(ZeroDivisionError), agent.prepared(LocalProvider(REPORT, None)):
            self.assertIsInstance(llm_provider.get_llm_provider(), LocalProvider)
            raise ZeroDivisionError
        self.assertIs(llm_provider._PROVIDER, before)
        self.assertIsNone(data_governance._governor)
        self.assertEqual(os.getcwd(), str(self.place))

    def test_a_provider_can_be_used_without_the_rest(self) -> None:
        from sys_scan_graph_agent import pipeline

        restore = agent.use(LocalProvider(REPORT, None))
        self.assertNotIn("REDACTED", str(pipeline.run_pipeline(REPORT).summaries))
        restore()
        self.environment(AGENT_LLM_PROVIDER="null")
        self.assertIsNone(pipeline.run_pipeline(REPORT).summaries.executive_summary)

    def test_the_graph_has_summary_and_refined_rules(self) -> None:
        report = self.report("scan.json", [finding(f"/usr/bin/x{n}") for n in range(3)])
        state = agent.run_graph(report, None)
        self.assertTrue(state["summary"]["executive_summary"])
        self.assertEqual([rule["id"] for rule in state["suggested_rules"]], ["gap_suid_sgid_binary"])
        self.assertIn("refined", state["suggested_rules"][0]["tags"])

    def test_the_graph_works_where_an_event_loop_runs(self) -> None:
        async def inside() -> Any:
            return agent.run_graph(REPORT, None)

        self.assertTrue(asyncio.run(inside())["summary"]["executive_summary"])

    def test_an_error_of_the_agent_is_raised(self) -> None:
        many = [{**finding(f"/usr/bin/{n}"), "description": "d" * 2000} for n in range(3000)]
        with self.assertRaisesRegex(ValueError, "exceeds maximum size 5 MB"):
            agent.run_pipeline(self.report("large.json", many), None)
        with self.assertRaisesRegex(AskError, "no UTF-8"):
            agent.run_graph(self.file("latin.json", b'{"results": "\xe9"}'), None)
        with self.assertRaisesRegex(AskError, "no report of sys-scan"):
            agent.run_graph(self.file("list.json", "[]"), None)
        with self.assertRaisesRegex(AskError, "there is no such report"):
            agent.run_pipeline("gone.json", None)
