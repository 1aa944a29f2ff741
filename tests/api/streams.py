"""A writer of LogMetrics, as simple as can be: what a client has to do."""

import queue

import grpc


def columns(key_points):
    """Columns of a frame: {index of the key: [(timestamp, step, value)]}."""
    result = []
    for key, points in key_points.items():
        column = {"key": key, "step_deltas": [], "timestamp_deltas": [],
                  "values": []}
        last = (0, 0)
        for timestamp, step, value in points:
            column["timestamp_deltas"].append(timestamp - last[0])
            column["step_deltas"].append(step - last[1])
            column["values"].append(value)
            last = timestamp, step
        result.append(column)
    return result


class Writer:
    """One stream. Frames go out when send() is called; durable() is what the
    server has answered."""

    def __init__(self, door, run_id, writer_id="w", **options):
        self._requests = queue.SimpleQueue()
        self._call = door.stream("LogMetrics", iter(self._requests.get, None),
                                 **options)
        self._requests.put({"open": {"run_id": run_id,
                                     "writer_id": writer_id}})

    def send(self, number, key_points, new_keys=()):
        self.send_message({"frame": {
            "number": number, "new_keys": list(new_keys),
            "columns": columns(key_points)}})

    def send_message(self, message):
        self._requests.put(message)

    def half_close(self):
        self._requests.put(None)

    def durable(self):
        """The next answer; raises how the call ended otherwise."""
        return next(self._call).durable_frame

    def wait_for(self, number):
        answer = -1
        while answer < number:
            answer = self.durable()
        return answer

    def end(self):
        """Half-closes, and returns all answers that came."""
        self.half_close()
        return [answer.durable_frame for answer in self._call]

    def cancel(self):
        self._call.cancel()
        self.half_close()

    def failure(self):
        """How the call fails: (gRPC code, MLflow's code, text)."""
        try:
            for _ in self._call:
                pass
        except grpc.RpcError as error:
            self.half_close()
            metadata = dict(error.trailing_metadata() or ())
            return (error.code(), metadata.get("millstream-error-code"),
                    error.details())
        raise AssertionError("the call succeeded")
