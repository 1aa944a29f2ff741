"""Writers, and what must be there of what they wrote.

Each writer has runs and models of its own and waits for each answer, so after a
crash all of its state is known but for one call: what that was about is as it
was before the call or as after it, as a whole. What is read through the API
settles which.
"""

import collections
import copy
import http.client
import random
import threading

import grpc
from doors import ApiError
from streams import Writer as Stream

# What a server says of a call that was wrong; anything else may come of a
# fault, and leaves open what became of the call.
REFUSALS = {"BAD_REQUEST", "INVALID_PARAMETER_VALUE", "INVALID_STATE",
            "NOT_FOUND", "ENDPOINT_NOT_FOUND", "PERMISSION_DENIED",
            "RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST",
            "UNAUTHENTICATED"}
NO_ANSWER = (OSError, http.client.HTTPException, ValueError)

# Runs that a writer goes on writing to, and runs that a check looks at again
# of those that it has left.
RUNS_IN_USE = 2
OLD_RUNS_CHECKED = 2
KEYS = ["loss", "accuracy", "rate"]


class Lost(AssertionError):
    """The server's state is not what it promised. `missing`: of what was
    acknowledged."""

    def __init__(self, words, missing=0):
        super().__init__(words)
        self.missing = missing


def require(condition, *what, missing=0):
    if not condition:
        raise Lost(" ".join(map(str, what)), missing)


def count_missing(expected, found):
    """How many values are not there, or not as they were written last."""
    if isinstance(expected, dict):
        there = found if isinstance(found, dict) else {}
        return sum(count_missing(value, there.get(name))
                   for name, value in expected.items()) + len(
                       set(there) - set(expected))
    if isinstance(expected, set):
        return len(expected - (found or set()))
    return int(expected != found)


def difference(expected, found):
    """In few words."""
    if not isinstance(expected, dict) or not isinstance(found, dict):
        return f"expected {expected!r}, found {found!r}"[:1000]
    words = []
    for name in sorted({*expected, *found}):
        one, other = expected.get(name), found.get(name)
        if one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            words.append(f"{name}: ({difference(one, other)})")
        elif isinstance(one, set) and isinstance(other, set):
            words.append(f"{name}: {len(one - other)} missing, "
                         f"{len(other - one)} too many")
        else:
            words.append(f"{name}: expected {one!r}, found {other!r}"[:300])
    return "; ".join(words)


def pairs(rows):
    """Keys and values of a list of messages; none is there twice."""
    result = {row["key"]: row.get("value", "") for row in rows}
    require(len(result) == len(rows), "a key is there twice:", rows)
    return result


def rows_of(values):
    return [{"key": k, "value": v} for k, v in values.items()]


def history(door, run_id, key):
    points = []
    request = {"run_id": run_id, "metric_key": key, "max_results": 20_000}
    while True:
        answer = door.call("GetMetricHistory", request)
        points += [(m.get("timestamp", 0), m.get("step", 0), m["value"])
                   for m in answer.get("metrics", [])]
        if not answer.get("next_page_token"):
            return points
        request["page_token"] = answer["next_page_token"]


def step_order(point):
    timestamp, step, value = point
    return step, timestamp, value


def find_runs(door, experiment_id, name):
    return door.call("SearchRuns", {
        "experiment_ids": [experiment_id], "run_view_type": "ALL",
        "filter": f"attributes.run_name = '{name}'"}).get("runs", [])


def by_key(run):
    """A run whose lists have one order."""
    data = {name: sorted(rows, key=lambda row: row["key"])
            for name, rows in run.get("data", {}).items()}
    return {"info": run["info"], "data": data}


def observe_run(door, experiment_id, name, keys):
    """What the API shows of the run of that name, in every way; None: there is
    none."""
    found = find_runs(door, experiment_id, name)
    require(len(found) < 2, "a run is there twice:", name)
    if not found:
        return None
    run_id = found[0]["info"]["run_id"]
    run = door.call("GetRun", {"run_id": run_id})["run"]
    require(by_key(run) == by_key(found[0]), "search and get-run differ:",
            found[0], run)
    info, data = run["info"], run.get("data", {})
    latest = {m["key"]: (m.get("timestamp", 0), m.get("step", 0), m["value"])
              for m in data.get("metrics", [])}
    metrics = {}
    for key in sorted({*keys, *latest}):
        points = history(door, run_id, key)
        require(len(points) == len(set(points)), "points are there twice:",
                run_id, key)
        if points:
            metrics[key] = set(points)
    require(latest == {key: max(points, key=step_order)
                       for key, points in metrics.items()},
            "the latest metrics are not those of the history:", run_id, latest)
    return {"id": run_id, "status": info["status"],
            "end_time": info.get("end_time", 0),
            "stage": info["lifecycle_stage"],
            "params": pairs(data.get("params", [])),
            "tags": pairs(data.get("tags", [])), "metrics": metrics}


def observe_model(door, name):
    try:
        model = door.call("GetRegisteredModel", {"name": name})[
            "registered_model"]
    except ApiError as error:
        if error.code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
    versions = door.call("SearchModelVersions", {
        "filter": f"name = '{name}'", "max_results": 1000}).get(
            "model_versions", [])
    return {"description": model.get("description", ""),
            "tags": pairs(model.get("tags", [])),
            "aliases": {a["alias"]: a["version"]
                        for a in model.get("aliases", [])},
            "versions": {v["version"]: v["source"] for v in versions}}


class Call:
    """A call of a writer: what it is about before and after."""

    def __init__(self, rpc, request, kind, name, after):
        self.rpc = rpc
        self.request = request
        self.kind = kind
        self.name = name
        self.after = after


class Writer:
    """Writes what its seed says, for as long as the server answers."""

    def __init__(self, number, seed, experiment_id):
        self.name = f"w{number}"
        self._seeded = random.Random(f"{seed}/{number}")
        self._experiment_id = experiment_id
        self._things = {"run": {}, "model": {}}
        self._count = 0
        self._unknown = None
        self.acknowledged = 0
        self.error = None

    def write(self, door, stop):
        """Until `stop` is set or a call has no good answer."""
        try:
            while not stop.is_set() and self._unknown is None:
                self.write_one(door)
        except BaseException as error:  # told by the test's own thread
            self.error = error

    def write_one(self, door):
        """One call; ApiError if it was refused, None if it was not answered,
        else its answer."""
        call = self._next_call()
        try:
            answer = door.call(call.rpc, call.request)
        except ApiError as error:
            if error.code in REFUSALS:
                raise
            self._unknown = call
            return error
        except NO_ANSWER:
            self._unknown = call
            return None
        if call.rpc == "CreateRun":
            call.after["id"] = answer["run"]["info"]["run_id"]
        self._things[call.kind][call.name] = call.after
        self.acknowledged += 1
        return answer

    @property
    def is_waiting(self):
        """A call was not answered; what became of it is unknown."""
        return self._unknown is not None

    def check(self, door, everything=False, settle=True):
        """Compares with what the server has, and settles what is unknown;
        without that, looks at all else."""
        unknown = self._unknown
        if unknown is not None and settle:
            self._unknown = None
            found = self._observe(door, unknown.kind, unknown.name,
                                  unknown.after)
            before = self._things[unknown.kind].get(unknown.name)
            after = unknown.after
            if found is not None and unknown.rpc == "CreateRun":
                after["id"] = found["id"]
            require(found in (before, after), "of", unknown.kind,
                    unknown.name, unknown.rpc, "is neither undone:",
                    difference(before, found), "nor done:",
                    difference(after, found),
                    missing=min(count_missing(each, found)
                                for each in (before, after)))
            if found is not None:
                self._things[unknown.kind][unknown.name] = found
        for kind, things in self._things.items():
            names = list(things)
            if kind == "run" and not everything:
                old = names[:-RUNS_IN_USE - 1]
                names = names[-RUNS_IN_USE - 1:] + self._seeded.sample(
                    old, min(len(old), OLD_RUNS_CHECKED))
            for name in names:
                if self._unknown is not None and name == self._unknown.name:
                    continue
                found = self._observe(door, kind, name, things[name])
                require(found == things[name], "of", kind, name,
                        difference(things[name], found),
                        missing=count_missing(things[name], found))

    def _observe(self, door, kind, name, expected):
        if kind == "model":
            return observe_model(door, name)
        return observe_run(door, self._experiment_id, name,
                           expected["metrics"])

    # --- What comes next.

    def _next_call(self):
        self._count += 1
        runs = list(self._things["run"])
        if not runs or self._seeded.random() < 0.02:
            return self._create_run()
        kind = self._seeded.choices(
            ["batch", "metric", "param", "tag", "untag", "update", "delete",
             "model"], [6, 3, 1, 2, 1, 1, 1, 2])[0]
        if kind == "model":
            return self._model_call()
        name = self._seeded.choice(runs[-RUNS_IN_USE:])
        run = copy.deepcopy(self._things["run"][name])
        one = {"run_id": run["id"]}
        if run["stage"] == "deleted":
            run["stage"] = "active"
            return Call("RestoreRun", one, "run", name, run)
        rpc, request = getattr(self, f"_{kind}")(run)
        return Call(rpc, {**one, **request}, "run", name, run)

    def _create_run(self):
        name = f"{self.name}-{self._count}"
        return Call("CreateRun", {
            "experiment_id": self._experiment_id, "run_name": name,
            "start_time": self._count,
            "tags": [{"key": "made", "value": "by " + self.name}]},
            "run", name,
            {"id": None, "status": "RUNNING", "end_time": 0,
             "stage": "active", "params": {}, "metrics": {},
             "tags": {"mlflow.runName": name, "made": "by " + self.name}})

    def _points(self, run, key, count):
        """New ones, whose steps go back and forth; their times tell them
        apart."""
        points = []
        for i in range(count):
            point = (self._count * 1000 + i, self._seeded.randint(-3, 300),
                     self._seeded.choice([0.5, 0.25, self._seeded.random()]))
            points.append({"key": key, "timestamp": point[0],
                           "step": point[1], "value": point[2]})
            run["metrics"].setdefault(key, set()).add(point)
        return points

    def _batch(self, run):
        metrics = []
        for key in self._seeded.sample(KEYS, self._seeded.randint(0, 3)):
            metrics += self._points(run, key, self._seeded.choice([1, 3, 20]))
        params = {f"p{self._count}.{i}": "v" * self._seeded.randint(1, 200)
                  for i in range(self._seeded.randint(0, 3))}
        tags = {f"t{self._seeded.randint(0, 9)}": str(self._count)
                for _ in range(self._seeded.randint(0, 2))}
        run["params"].update(params)
        run["tags"].update(tags)
        return "LogBatch", {"metrics": metrics, "params": rows_of(params),
                            "tags": rows_of(tags)}

    def _metric(self, run):
        return "LogMetric", self._points(run, self._seeded.choice(KEYS), 1)[0]

    def _param(self, run):
        key = f"p{self._count}"
        run["params"][key] = str(self._count)
        return "LogParam", {"key": key, "value": str(self._count)}

    def _tag(self, run):
        key = f"t{self._seeded.randint(0, 9)}"
        run["tags"][key] = str(self._count)
        return "SetTag", {"key": key, "value": str(self._count)}

    def _untag(self, run):
        mine = [key for key in run["tags"] if key.startswith("t")]
        if not mine:
            return self._tag(run)
        key = self._seeded.choice(mine)
        del run["tags"][key]
        return "DeleteTag", {"key": key}

    def _update(self, run):
        run["status"] = self._seeded.choice(["RUNNING", "FINISHED", "FAILED"])
        run["end_time"] = self._count
        return "UpdateRun", {"status": run["status"],
                             "end_time": run["end_time"]}

    def _delete(self, run):
        run["stage"] = "deleted"
        return "DeleteRun", {}

    def _model_call(self):
        models = self._things["model"]
        if not models or self._seeded.random() < 0.05:
            name = f"{self.name}-model-{self._count}"
            return Call("CreateRegisteredModel", {
                "name": name, "description": "made",
                "tags": [{"key": "a", "value": "b"}]}, "model", name,
                {"description": "made", "tags": {"a": "b"}, "aliases": {},
                 "versions": {}})
        name = list(models)[-1]
        model = copy.deepcopy(models[name])
        one = {"name": name}
        versions = list(model["versions"])
        if not versions or self._seeded.random() < 0.4:
            source = f"s3://bucket/{self._count}"
            model["versions"][str(len(versions) + 1)] = source
            return Call("CreateModelVersion", {**one, "source": source},
                        "model", name, model)
        if self._seeded.random() < 0.5:
            model["aliases"]["best"] = versions[-1]
            return Call("SetRegisteredModelAlias", {
                **one, "alias": "best", "version": versions[-1]}, "model",
                name, model)
        model["description"] = str(self._count)
        return Call("UpdateRegisteredModel", {
            **one, "description": str(self._count)}, "model", name, model)


class StreamWriter:
    """LogMetrics: frames in a row, of which some are on their way."""

    POINTS = 4
    ON_THE_WAY = 8
    KEY = "streamed"

    def __init__(self, number, run_id):
        self.name = f"s{number}"
        self._run_id = run_id
        self.acknowledged = 0
        self._sent = 0
        self.error = None

    def write(self, door, stop):
        stream = None
        try:
            stream = Stream(door, self._run_id, self.name)
            durable = stream.durable()
            require(self.acknowledged <= durable <= self._sent, self.name,
                    "resumes after frame", durable, "of", self.acknowledged,
                    "that were acknowledged and", self._sent, "sent",
                    missing=max(self.acknowledged - durable, 0))
            self.acknowledged = durable
            number, new_keys = durable, [self.KEY]
            while not stop.is_set():
                number += 1
                first = number * self.POINTS
                self._sent = max(self._sent, number)
                stream.send(number, {0: [(step, step, step / 2) for step in
                                         range(first, first + self.POINTS)]},
                            new_keys)
                new_keys = []
                if number - self.acknowledged > self.ON_THE_WAY:
                    self.acknowledged = max(self.acknowledged,
                                            stream.durable())
        except (grpc.RpcError, StopIteration):
            pass
        except BaseException as error:  # told by the test's own thread
            self.error = error
        finally:
            if stream is not None:
                stream.cancel()

    def check(self, door, everything=False, settle=True):
        points = history(door, self._run_id, self.KEY)
        require(len(points) == len(set(points)), "points are there twice:",
                self.name)
        last = len(points) // self.POINTS
        steps = range(self.POINTS, (last + 1) * self.POINTS)
        there = collections.Counter(p[1] // self.POINTS for p in points)
        missing = sum(there[frame] < self.POINTS for frame in
                      range(1, self.acknowledged + 1))
        require(sorted(p[1] for p in points) == list(steps), self.name,
                "has a frame that is missing or not whole", missing=missing)
        require(all(value == step / 2 for _, step, value in points),
                self.name, "has points that nobody wrote")
        require(self.acknowledged <= last <= self._sent, self.name, "has",
                last, "frames of", self.acknowledged, "acknowledged and",
                self._sent, "sent", missing=missing)
        if settle:
            self.acknowledged = last


def write_all(writers, doors_of, stop):
    """Starts a thread for each; they end when `stop` is set or their calls
    fail."""
    threads = [threading.Thread(target=w.write, args=[door, stop], daemon=True)
               for w, door in zip(writers, doors_of)]
    for each in threads:
        each.start()
    return threads
