"""The direct client against a server that is there."""

import array
import itertools
import math
import signal
import threading

import faulty_disk
import millstream
import numpy
import pytest
from faulty_disk import FaultyDisk

BIG = 2**63


@pytest.fixture
def client(server, connect):
    return connect(server)


def test_a_run_from_its_start_to_its_end(server, uri_of, client):
    with millstream.Run(uri_of(server), experiment="direct", name="first",
                        tags={"team": "a"}) as run:
        run.log_params({"lr": 0.1, "layers": 3})
        run.set_tags({"stage": "warm"})
        for step in range(100):
            run.log("loss", 1 / (step + 1), step=step, timestamp=step)
        run.log_many({"acc": 0.5, "f1": 0.25}, step=7, timestamp=9)
    assert client.history(run.id, "loss") == [
        millstream.Point(1 / (step + 1), step, step) for step in range(100)]
    assert client.history(run.id, "f1") == [millstream.Point(0.25, 7, 9)]


def test_a_block_that_raises_fails_its_run(client, server):
    with pytest.raises(ZeroDivisionError):
        with client.create_run() as run:
            run.log("m", 1)
            1 / 0
    assert status(client, run.id) == "FAILED"
    assert len(run.history("m")) == 1


@pytest.mark.parametrize("make", [
    lambda numbers: numpy.array(numbers, dtype="float32"),
    lambda numbers: array.array("d", numbers), list])
def test_arrays_of_points(client, make):
    run = client.create_run()
    values = [float(n) for n in range(40_000)]
    run.log_array("curve", make(values), steps=5, timestamps=77)
    run.log_array("own", make([1.5, 2.5]), steps=[3, 1], timestamps=[10, 20])
    points = run.history("curve")
    assert sorted(p.step for p in points) == list(range(5, 40_005))
    assert sorted(p.value for p in points) == values
    assert run.history("own") == [millstream.Point(1.5, 3, 10),
                                  millstream.Point(2.5, 1, 20)]


def test_numbers_at_their_limits_arrive(client):
    run = client.create_run()
    steps = [0, -BIG, BIG - 1, -1, -BIG]
    times = [0, BIG - 1, 0, BIG - 1, 1]
    for step, when in zip(steps, times):
        run.log("m", 1.0, step=step, timestamp=when)
    run.log_array("a", [1.0] * 5, steps=steps, timestamps=times)
    for key in "ma":
        assert sorted((p.step, p.timestamp) for p in run.history(key)) == (
            sorted(zip(steps, times)))
    for value in (math.nan, math.inf, -math.inf):
        run.log("v", value)
    values = [p.value for p in run.history("v")]
    assert sum(map(math.isnan, values)) == 1
    assert {v for v in values if not math.isnan(v)} == {
        1.7976931348623157e308, -1.7976931348623157e308}


@pytest.mark.parametrize("key", ["", "/a", "a//b", "a/../b", "a#b", "k" * 251])
def test_bad_names_are_refused_at_once(client, key):
    run = client.create_run()
    for log in (run.log, lambda k, v: run.log_many({k: v}),
                lambda k, v: run.log_array(k, [v])):
        with pytest.raises(ValueError):
            log(key, 1.0)
    assert run.flush()


def test_bad_numbers_are_refused_at_once(client):
    run = client.create_run()
    for arguments in [("m", "1"), ("m", 1.0, 2**63), ("m", 1.0, 0, -1),
                      ("m", 1.0, 0.5), ("m", None)]:
        with pytest.raises(ValueError):
            run.log(*arguments)
    with pytest.raises(ValueError):
        run.log_array("m", [1.0, 2.0], steps=[1])
    with pytest.raises(ValueError):
        run.log_many({"good": 1.0, "bad": "x"})
    assert run.history("good") == []


def test_errors_of_the_server_reach_the_caller(client):
    run = client.create_run()
    run.log_params({"lr": 1})
    with pytest.raises(millstream.Error) as error:
        run.log_params({"lr": 2})
    assert error.value.code == "INVALID_PARAMETER_VALUE"
    with pytest.raises(millstream.Error) as error:
        client.run("0" * 32).log("m", 1.0)
    assert error.value.code == "RESOURCE_DOES_NOT_EXIST"


def test_more_metrics_than_a_stream_has_names_for(client):
    run = client.create_run()
    keys = [f"metric/{number}" for number in range(12_000)]
    for step in range(2):
        for start in range(0, len(keys), 1000):
            run.log_many(dict.fromkeys(keys[start:start + 1000], 1.0), step)
    for key in (keys[0], keys[9_999], keys[10_000], keys[-1]):
        assert [p.step for p in run.history(key)] == [0, 1]


def test_threads_log_to_one_run(client):
    run = client.create_run()

    def log(number):
        for step in range(2000):
            run.log(f"thread{number % 2}", number, step=step)

    threads = [threading.Thread(target=log, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for key in ("thread0", "thread1"):
        assert sorted((p.value, p.step) for p in run.history(key)) == [
            (n, step) for n in range(8) if n % 2 == int(key[-1])
            for step in range(2000)]


def test_a_signal_handler_logs_in_the_middle_of_logging(client):
    run = client.create_run()
    run.log("loop", 1.0)
    numbers = itertools.count()
    fired = []

    def handler(*_):
        run.log("alarm", 1.0, step=next(numbers))
        fired.append(1)

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
    try:
        step = 1
        while len(fired) < 200:
            run.log("loop", 1.0, step=step)
            step += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(run.history("loop")) == step
    assert len(run.history("alarm")) == len(fired)


@pytest.mark.parametrize("away", [False, True])
def test_a_signal_handler_does_whatever_it_likes(
        start_server, connect, away, until):
    """In the middle of anything: to this run and another."""
    server = start_server()
    client = connect(server)
    run, other = client.create_run(), client.create_run()
    run.log("m", 1.0)
    assert client.flush()
    if away:
        server.kill()
    count = itertools.count()
    done = []

    def handler(*_):
        number = next(count)
        run.log("alarm", 1.0, step=number)
        other.log(f"alarm/{number % 7}", 1.0, step=number)
        other.log_array("array", [1.0] * 3, steps=number * 3)
        run.set_tags({f"tag/{number % 5}": number})
        if number % 10 == 9:
            other.flush(0.05)
        if number % 15 == 14:
            other.finish()
        done.append(number)

    before = signal.signal(signal.SIGALRM, handler)
    # The next alarm comes when the handler is done.
    step = 0
    try:
        while len(done) < 40:
            signal.setitimer(signal.ITIMER_REAL, 0.0005 * (1 + step % 7))
            run.log("loop", 1.0, step=step)
            run.log_array("loop/array", [1.0, 2.0], steps=2 * step)
            run.log_many({f"new/{step}": 1.0}, step=step)
            if step % 3 == 0:
                run.set_tags({"step": step})
            if step % 50 == 49:
                run.finish("KILLED")
            step += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    run.set_tags({"last": "one"})
    if away:
        server.start()
    assert client.flush(60)
    for key, steps in [("loop", step), ("loop/array", 2 * step),
                       ("alarm", len(done))]:
        assert sorted(p.step for p in run.history(key)) == list(range(steps))
    for number in (0, step // 2, step - 1):
        assert [p.step for p in run.history(f"new/{number}")] == [number]
    assert len(other.history("array")) == 3 * len(done)
    assert sum(len(other.history(f"alarm/{n}")) for n in range(7)) == len(done)


def test_a_client_is_used_again_after_its_end(client, spool):
    run = client.create_run()
    run.log("m", 1.0)
    client.close()
    run.log("m", 2.0)
    client.close()
    assert [p.value for p in client.history(run.id, "m")] == [1.0, 2.0]


def test_what_has_arrived_takes_no_space(client, spool, until):
    with client.create_run() as run:
        run.log("m", 1.0)
    until(lambda: not list(spool.glob("*/*/*.seg")), "an empty spool")
    client.close()
    until(lambda: [p.name for p in spool.iterdir()] == [".known"],
          "no folder of any writer")


def test_a_sender_that_was_killed_is_replaced(client, until):
    run = client.create_run()
    run.log("m", 1.0)
    process = client._session._link._process
    process.kill()
    process.wait()
    run.log("m", 2.0, step=1)
    client._session.check_sender()
    assert [p.step for p in run.history("m")] == [0, 1]


def test_fsync_is_an_option(server, connect, tmp_path, spool, until,
                            monkeypatch):
    disk = FaultyDisk(tmp_path / "disk", spool)
    for name, value in disk.environment().items():
        monkeypatch.setenv(name, value)
    synced = [disk.rule(faulty_disk.SYNC, name)
              for name in ("*/keys", "*.seg", "*/journal")]
    client = connect(server, fsync=0.01)
    run = client.create_run()
    for step in range(3000):
        run.log("m", 1.0, step=step)
    until(lambda: all(rule.seen > 1 for rule in synced), "two syncs of each")
    assert len(run.history("m")) == 3000


def status(client, run_id):
    from millstream import _api
    answer = client._session.call(
        "GetRun", _api.message("GetRunRequest")(run_id=run_id), run_id)
    number = answer.run.info.status
    return answer.run.info.DESCRIPTOR.fields_by_name[
        "status"].enum_type.values_by_number[number].name
