"""A sweep of short runs from several threads, as a tuner would start them."""

import concurrent.futures
import sys

import mlflow


def trial(client, experiment_id, parent_id, number):
    run = client.create_run(experiment_id, run_name=f"trial {number}",
                            tags={"mlflow.parentRunId": parent_id})
    run_id = run.info.run_id
    client.log_param(run_id, "depth", number % 4)
    for step in range(5):
        client.log_metric(run_id, "score", number + step / 10, step=step)
    client.set_terminated(run_id)


def main(experiment, trials=24):
    mlflow.set_experiment(experiment)
    client = mlflow.MlflowClient()
    with mlflow.start_run(run_name="sweep") as parent:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(trial, client, parent.info.experiment_id,
                                     parent.info.run_id, number)
                         for number in range(trials)]:
                done.result()
    best = mlflow.search_runs(
        filter_string=f"tags.mlflow.parentRunId = '{parent.info.run_id}'",
        order_by=["metrics.score DESC"], max_results=1)
    print(best["metrics.score"][0])


if __name__ == "__main__":
    main(*sys.argv[1:])
