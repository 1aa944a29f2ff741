"""A small training script as users write it: plain mlflow, no framework.

Fits y = a x + b by gradient descent, logs everything worth seeing, registers
the model and prints the run's id.
"""

import random
import sys

import mlflow
import numpy
import pandas


class Line(mlflow.pyfunc.PythonModel):
    def __init__(self, a, b):
        self.a, self.b = a, b

    def predict(self, context, model_input, params=None):
        return model_input["x"] * self.a + self.b


def make_data(n=200):
    generator = random.Random(7)
    x = [generator.uniform(-1, 1) for _ in range(n)]
    y = [3 * each + 0.5 + generator.gauss(0, 0.05) for each in x]
    return pandas.DataFrame({"x": x, "y": y})


def train(data, learning_rate, epochs):
    x, y = data["x"].to_numpy(), data["y"].to_numpy()
    a = b = 0.0
    for epoch in range(epochs):
        error = a * x + b - y
        mlflow.log_metrics({"train/loss": float(numpy.mean(error ** 2)),
                            "train/a": a, "train/b": b}, step=epoch)
        a -= learning_rate * 2 * float(numpy.mean(error * x))
        b -= learning_rate * 2 * float(numpy.mean(error))
    return a, b


def main(experiment, model_name):
    mlflow.set_experiment(experiment)
    data = make_data()
    with mlflow.start_run(run_name="line fit", tags={"team": "demo"}) as run:
        mlflow.log_params({"learning_rate": 0.5, "epochs": 40})
        mlflow.log_input(
            mlflow.data.from_pandas(data, name="noisy line", targets="y"),
            context="training")
        a, b = train(data, learning_rate=0.5, epochs=40)
        mlflow.log_metric("undefined", float("nan"))
        mlflow.log_dict({"a": a, "b": b}, "coefficients.json")
        mlflow.log_text("y = a x + b\n", "notes/model.txt")
        mlflow.log_image(numpy.full((16, 16, 3), 200, numpy.uint8),
                         "plots/grey.png")
        mlflow.log_table({"x": [0.0, 1.0], "y": [b, a + b]}, "table.json")
        for fold in range(3):
            with mlflow.start_run(run_name=f"fold {fold}", nested=True):
                mlflow.log_metric("fold_loss", 0.1 * fold)
        mlflow.pyfunc.log_model(
            artifact_path="model", python_model=Line(a, b),
            pip_requirements=["mlflow"], registered_model_name=model_name)
    client = mlflow.MlflowClient()
    client.set_registered_model_alias(model_name, "best", "1")
    best = mlflow.pyfunc.load_model(f"models:/{model_name}@best")
    predicted = best.predict(pandas.DataFrame({"x": [1.0]}))
    assert abs(float(predicted.iloc[0]) - (a + b)) < 1e-9
    print(run.info.run_id)


if __name__ == "__main__":
    main(*sys.argv[1:])
