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
every millisecond from sleep, when neither cache nor core is warm.
"""

import argparse
import gc
import time

import millstream
import mlflow
from mlflow.entities import Metric
from mlflow.tracking._tracking_service.utils import _get_store

QUANTILES = (0.5, 0.9, 0.99, 0.999)


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
    cells = [times[int(calls * q)] / 1000 for q in QUANTILES]
    cells.append(times[-1] / 1000)
    print(f"| {name} | {calls} | "
          + " | ".join(f"{cell:.1f}" for cell in cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("uri")
    parser.add_argument("--calls", type=int, default=200_000)
    options = parser.parse_args()
    mlflow.set_tracking_uri(options.uri)
    mlflow.set_experiment("log_metric latency")
    gc.freeze()
    print("| | calls | " + " | ".join(f"p{q * 100:g}" for q in QUANTILES)
          + " | max |\n|---|---|" + "---|" * (len(QUANTILES) + 1))
    calls = options.calls
    with mlflow.start_run() as run:
        store = _get_store()
        run_id = run.info.run_id

        def log(_, metric):
            store.log_metric(run_id, metric)

        direct = millstream.Client(options.uri).run(run_id)

        def log_directly(number, metric):
            direct.log("direct", metric.value, number)

        def log_fluently(number, metric):
            mlflow.log_metric("fluent", metric.value, number)

        nothing = Nothing()
        for kind, pause, count in (("tight", 0.0, calls),
                                   ("paced", 0.001, calls // 50)):
            measure(f"nothing, {kind}", count, nothing.call, pause)
            measure(f"store, {kind}", count, log, pause)
            measure(f"client, {kind}", count, log_directly, pause)
            measure(f"fluent, {kind}", count // 10, log_fluently, pause)


if __name__ == "__main__":
    main()
