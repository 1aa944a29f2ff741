"""What the harness counts, copies and writes."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import unittest
from contextlib import closing
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from harness import cli, fill, gomodule, machine, proc  # noqa: E402
from harness import publish, report  # noqa: E402
from harness.campaign import WORKLOADS  # noqa: E402
from harness.sets import DEFAULT, SETS  # noqa: E402

_SPIN = "import time\nwhile time.process_time() < 0.3: pass"


class ProcTest(unittest.TestCase):
    def test_counts_children_that_exited(self) -> None:
        before = proc.cpu_seconds(os.getpid())
        subprocess.run([sys.executable, "-c", _SPIN], check=True)
        self.assertGreaterEqual(proc.cpu_seconds(os.getpid()) - before, 0.25)

    def test_counts_living_children_and_their_memory(self) -> None:
        own = proc.memory_mb(os.getpid())["rss_mb"]
        with subprocess.Popen(["sleep", "60"]) as child:
            self.assertEqual(proc.process_count(os.getpid()), 2)
            self.assertGreater(proc.memory_mb(os.getpid())["rss_mb"],
                               own * 0.5)
            child.terminate()
        self.assertEqual(proc.process_count(os.getpid()), 1)

    def test_a_pid_that_is_gone_uses_nothing(self) -> None:
        with subprocess.Popen(["true"]) as child:
            pass
        self.assertEqual(proc.cpu_seconds(child.pid), 0)


class FillTest(unittest.TestCase):
    """On tables like mlflow's, with fewer columns."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "test.db"
        with closing(sqlite3.connect(self.path)) as db, db:
            db.executescript("""
                CREATE TABLE experiments (experiment_id INTEGER, name TEXT);
                CREATE TABLE runs (run_uuid TEXT PRIMARY KEY, start_time INT,
                                   artifact_uri TEXT, experiment_id INTEGER);
                CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT);
                CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT);
                CREATE TABLE metrics (key TEXT, value REAL, timestamp INT,
                                      step INT, run_uuid TEXT);
                CREATE TABLE latest_metrics (key TEXT, value REAL,
                    timestamp INT, step INT, run_uuid TEXT);
                INSERT INTO experiments VALUES (1, 'x');
                INSERT INTO runs VALUES ('0a1', 10, 's:/0a1/artifacts', 1);
                INSERT INTO params VALUES ('p', 'v', '0a1');
                INSERT INTO metrics VALUES ('m', 0.5, 100, 7, '0a1'),
                                           ('m', 0.6, 101, 8, '0a1');
                INSERT INTO latest_metrics VALUES ('m', 0.6, 101, 8, '0a1');
            """)

    def _rows(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self.path)) as db:
            return db.execute(query).fetchall()

    def test_copies_runs_with_all_their_rows(self) -> None:
        fill.copy_runs(self.path, "x", 5)
        rows = self._rows("SELECT run_uuid, start_time, artifact_uri FROM "
                          "runs ORDER BY start_time")
        self.assertEqual([row[1] for row in rows], [10, 11, 12, 13, 14])
        for run, _, uri in rows:
            self.assertEqual(uri, f"s:/{run}/artifacts")
        for table, count in (("params", 5), ("metrics", 10),
                             ("latest_metrics", 5)):
            found = self._rows(f"SELECT count(*), count(DISTINCT run_uuid) "
                               f"FROM {table}")
            self.assertEqual(found, [(count, 5)])

    def test_copies_points_behind_the_last_step(self) -> None:
        fill.copy_points(self.path, "x", 5)
        rows = self._rows("SELECT step, timestamp, value FROM metrics "
                          "ORDER BY step")
        self.assertEqual(rows, [(7, 100, .5), (8, 101, .6), (9, 102, .5),
                                (10, 103, .6), (11, 104, .5)])
        self.assertEqual(self._rows("SELECT step, value FROM latest_metrics"),
                         [(11, .5)])


def _peer(cpu_us: float, errors: int = 0, **more: Any) -> dict[str, Any]:
    result = {"workload": "log-metric", "unit": "requests", "units": 10,
              "units_per_s": 5.0, "p50_ms": 1.0, "p99_ms": 2.0,
              "errors": errors, "server_cpu_us_per_unit": cpu_us,
              "other_cores": 0.1, **more}
    return {"about": "x", "version": "1.0", "durability": "fsync",
            "measured_at": "then", "notes": [], "process": {"start_s": [0.1]},
            "workloads": {"log-metric": [result]}}


def _results(**peers: dict[str, Any]) -> dict[str, Any]:
    named = {name.replace("_", "-"): peer for name, peer in peers.items()}
    return {"machine": machine.describe(), "date": "2026-01-02 03:04 UTC",
            "commit": "0123456789ab", "not_measured": {}, "peers": named}


class ReportTest(unittest.TestCase):
    def test_ratio_is_to_the_reference_of_the_same_results(self) -> None:
        text = report.markdown(_results(millstream=_peer(50),
                                        mlflow_sqlite=_peer(6000)))
        self.assertIn("| requests | 120x | 1x |", text)

    def test_without_mlflow_on_sqlite_the_one_on_postgres_is_it(self) -> None:
        text = report.markdown(_results(millstream_postgres=_peer(50),
                                        mlflow_postgres=_peer(5000)))
        self.assertIn("| requests | 100x | 1x |", text)

    def test_says_what_was_not_measured_and_why(self) -> None:
        results = _results(millstream=_peer(50))
        results["not_measured"]["other"] = "it does not build"
        for text in (report.markdown(results), report.summary(results)):
            self.assertIn("other was not measured: it does not build", text)

    def test_has_a_table_of_the_training_thread(self) -> None:
        peer = _peer(50)
        peer["plugin"] = [{"what": "store, tight", "calls": 1000,
                           "p50_us": 1.25, "p99_us": 2.5, "max_us": 100.0}]
        text = report.markdown(_results(millstream=peer))
        self.assertIn("| store, tight | 1,000 | 1.25 | 2.5 | 100 |", text)

    def test_shows_errors_and_failures(self) -> None:
        text = report.markdown(_results(
            millstream=_peer(50, errors=3),
            mlflow_sqlite=_peer(6000, error="points are missing")))
        self.assertIn("50 (3 errors)", text)
        self.assertIn("failed", text)
        self.assertIn("| requests | – | – |", text)

    def test_rows_of_sizes_come_in_order(self) -> None:
        peer = _peer(50)
        (result,) = peer["workloads"]["log-metric"]
        for runs in (10_000, 1_000):
            peer["workloads"][f"search-metric@{runs}"] = [result]
        results = _results(millstream=peer)
        self.assertEqual(report.rows_of(results),
                         ["log-metric", "search-metric@1000",
                          "search-metric@10000"])
        self.assertIn("| search, metric filter and order, 1,000 runs |",
                      report.markdown(results))

    def test_the_summary_takes_the_largest_size(self) -> None:
        peer = _peer(50)
        (result,) = peer["workloads"]["log-metric"]
        for runs in (1_000, 10_000):
            peer["workloads"][f"search-metric@{runs}"] = [result]
        text = report.summary(_results(millstream=peer, mlflow_sqlite=_peer(6)))
        self.assertIn("order, 10,000 runs, per request | 50 (1) | – |", text)
        self.assertNotIn("order, 1,000 runs", text)

    def test_names_no_host_and_no_folder(self) -> None:
        text = report.markdown(_results(millstream=_peer(50)))
        self.assertNotIn(os.uname().nodename, text)
        self.assertNotIn(str(Path.home()), text)


class PublishTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for name in ("bench", "docs", "out"):
            (self.root / name).mkdir()
        self.results = _results(
            millstream=_peer(50), mlflow_sqlite=_peer(
                6000, first_error=f"{self.root}/x and {Path.home()}/y"))

    def test_results_are_kept_without_folders(self) -> None:
        path = publish.keep(self.results, self.root, "all")
        self.assertEqual(path.name, "2026-01-02-0123456-all.json")
        kept = json.loads(path.read_text())
        self.assertEqual(kept["commit"], "0123456789ab")
        self.assertIn("cores", kept["machine"])
        self.assertNotIn(str(self.root), path.read_text())
        self.assertNotIn(str(Path.home()), path.read_text())
        self.assertIn("120x", path.with_suffix(".md").read_text())

    def test_the_readme_shows_table_and_plot(self) -> None:
        readme = self.root / "README.md"
        performance = self.root / "docs/performance.md"
        for path in (readme, performance):
            path.write_text("before\n<!-- by bench/run --publish -->\nold\n"
                            "<!-- end of bench/run -->\nafter\n")
        out = self.root / "out"
        (out / "results.json").write_text(json.dumps(self.results))
        (out / "summary.md").write_text(report.summary(self.results))
        (out / "plot.svg").write_text("<svg/>")
        for _ in range(2):
            publish.show(out, self.root)
        text = readme.read_text()
        self.assertTrue(text.startswith("before\n"))
        self.assertTrue(text.endswith("after\n"))
        self.assertNotIn("old", text)
        self.assertEqual(text.count("(docs/performance.svg)"), 1)
        self.assertEqual((self.root / "docs/performance.svg").read_text(),
                         "<svg/>")
        self.assertIn("8 clients, us | 6,000 | 50 | **120x** less | 100x |",
                      performance.read_text())


class GoModuleTest(unittest.TestCase):
    def test_the_reason_names_no_address(self) -> None:
        self.assertEqual(
            gomodule.why("go: module m: reading https://proxy/m/@v/list: 403 "
                         "Forbidden\n\tserver response: Not available.\n"),
            "go: module m: 403 Forbidden server response: Not available.")


class SetTest(unittest.TestCase):
    def test_what_is_published_has_each_unit(self) -> None:
        published = set(SETS[DEFAULT].workloads)
        self.assertLessEqual(
            {"log-metric", "log-batch-10", "log-batch-1000", "sweep", "get-run",
             "search-metric", "get-history", "chart", "artifact-upload",
             "artifact-download", "stream", "memory", "plugin"}, published)

    def test_sets_name_what_there_is(self) -> None:
        for chosen in SETS.values():
            self.assertLessEqual(set(chosen.workloads), set(WORKLOADS))
            self.assertTrue(chosen.workloads)


class CommandLineTest(unittest.TestCase):
    def test_an_unknown_peer_is_refused(self) -> None:
        with self.assertRaises(SystemExit):
            cli.main(["--peers", "nobody"])


if __name__ == "__main__":
    unittest.main()
