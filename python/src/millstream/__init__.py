"""Client of the millstream tracking server.

Log metrics that cannot be lost, at the speed of training, without mlflow:

    import millstream

    with millstream.Run("millstream://host:5001", experiment="digits") as run:
        run.log_params({"lr": 0.1})
        for step in range(1000):
            run.log("loss", 1 / (step + 1), step=step)

With mlflow, set MLFLOW_TRACKING_URI=millstream://host:5001 and change nothing.
"""

from ._client import Client, Point, Run
from ._errors import Error

__version__ = "0.4.0"
__all__ = ["Client", "Error", "Point", "Run", "__version__"]
