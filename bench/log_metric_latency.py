#!/usr/bin/env python3
"""What log_metric costs the training thread, through the plugin.

    bench/log_metric_latency.py millstream://127.0.0.1:5001

Run it with a Python that has mlflow and the millstream package, against a
server that runs. Times are microseconds, one call each, by perf_counter_ns:

  store    our tracking store's log_metric, called as mlflow calls it
  client   millstream.Run.log, without mlflow
  fluent   mlflow.log_metric: mlflow's own layers and the store
  nothing  an empty method, called in the same loop: what the clock and the
           machine add

"tight" is one call after another while the sender sends; "paced" is a call
every millisecond from sleep, when neither cache nor core is warm. Of another
server (http://...) it is mlflow.log_metric alone, fewer times.
"""

import argparse
import gc
import json
import time

import mlflow
from mlflow.entities import Metric
from mlflow.tracking._tracking_service.utils import _get_store

QUANTILES = {"p50_us": 0.5, "p90_us": 0.9, "p99_us": 0.99, "p999_us": 0.999}


class Nothing:
    def call(self, *_):
        pass


def measure(name, calls, act, pause=0.0):
    clock = time.perf_counter_ns
    times = []
    for number in range(calls):
        argument = (number, Metric("loss", number * 0.5, 1_700_000_000_000
                                   + number, number))
        if pause:
            time.sleep(pause)
        began = clock()
        act(*argument)
        times.append(clock() - began)
    times.sort()
    return {"what": name, "calls": calls,
            **{q: times[int(calls * part)] / 1000
               for q, part in QUANTILES.items()},
            "max_us": times[-1] / 1000}


def table(rows):
    names = list(rows[0])[2:]
    yield "| | calls | " + " | ".join(names) + " |"
    yield "|---|---|" + "---|" * len(names)
    for row in rows:
        cells = " | ".join(f"{row[name]:.1f}" for name in names)
        yield f"| {row['what']} | {row['calls']} | {cells} |"


def log_fluently(number, metric):
    mlflow.log_metric("fluent", metric.value, number)


def measure_http(calls):
    with mlflow.start_run():
        return [measure("fluent, tight", max(calls // 100, 100), log_fluently)]


def measure_millstream(uri, calls):
    import millstream

    rows = []
    with mlflow.start_run() as run:
        store = _get_store()
        run_id = run.info.run_id

        def log(_, metric):
            store.log_metric(run_id, metric)

        direct = millstream.Client(uri).run(run_id)

        def log_directly(number, metric):
            direct.log("direct", metric.value, number)

        nothing = Nothing()
        for kind, pause, count in (("tight", 0.0, calls),
                                   ("paced", 0.001, calls // 50)):
            for name, what, number in (
                    ("nothing", nothing.call, count), ("store", log, count),
                    ("client", log_directly, count),
                    ("fluent", log_fluently, count // 10)):
                rows.append(measure(f"{name}, {kind}", number, what, pause))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("uri")
    parser.add_argument("--calls", type=int, default=200_000)
    parser.add_argument("--json", action="store_true", help="not a table")
    options = parser.parse_args()
    mlflow.set_tracking_uri(options.uri)
    mlflow.set_experiment("log_metric latency")
    gc.freeze()
    if options.uri.startswith("millstream:"):
        rows = measure_millstream(options.uri, options.calls)
    else:
        rows = measure_http(options.calls)
    print(json.dumps(rows) if options.json else "\n".join(table(rows)))


if __name__ == "__main__":
    main()
