"""Writer, sender and server are killed at random moments; nothing is lost.

Points that are sent twice are one in the store if they are the same. So it is a
proxy in between that sees whether any is in two frames, or a frame was sent
again with other points.

MILLSTREAM_TEST_ROUNDS says how often (6 unless told). A failure names the seed
that MILLSTREAM_TEST_SEED takes.
"""

import os
import random
import signal

from proxy import Proxy

ROUNDS = int(os.environ.get("MILLSTREAM_TEST_ROUNDS", "6"))
PAUSE = 20
WRITER = """
import millstream, sys, time
client = millstream.Client(sys.argv[1])
run = client.run(sys.argv[2])
step = int(sys.argv[3])
run.log("m", step, step=step, timestamp=step)
print(client._session._link._process.pid, flush=True)
while True:
    for _ in range(997):
        step += 1
        run.log("m", step, step=step, timestamp=step)
    print(step, flush=True)
    time.sleep(0.001)
"""


def test_nothing_is_lost_and_nothing_is_doubled(
        start_server, run_python, uri_of, connect, command, until):
    seed = int(os.environ.get("MILLSTREAM_TEST_SEED",
                              random.randrange(1 << 30)))
    print(f"MILLSTREAM_TEST_SEED={seed}")
    dice = random.Random(seed)
    server = start_server()
    proxy = Proxy(server)
    try:
        kill_at_random(dice, server, proxy, run_python, uri_of(proxy),
                       connect(proxy), command, until)
    finally:
        proxy.close()


def kill_at_random(dice, server, proxy, run_python, uri, client, command,
                   until):
    run = client.create_run()
    client.close()
    # Of each writer: its first step and the last that it said it logged.
    written = []
    for number in range(ROUNDS):
        if not server.is_running():
            server.start()
        first = number * 10_000_000
        writer = run_python(WRITER, uri, run.id, first)
        sender = int(writer.stdout.readline())
        last = first
        for _ in range(dice.randrange(PAUSE)):
            last = int(writer.stdout.readline())
        what = dice.choice(["writer", "sender", "server", "all"])
        if what in ("server", "all"):
            server.kill()
        if what in ("sender", "all"):
            os.kill(sender, signal.SIGKILL)
        if what != "writer":
            for _ in range(dice.randrange(PAUSE)):
                last = int(writer.stdout.readline())
        writer.kill()
        for line in writer.stdout.read().splitlines():
            last = int(line)
        writer.wait()
        written.append((first, last))
    if not server.is_running():
        server.start()
    # A sender may still be there for a writer that is not.
    until(lambda: "left alone" not in command("sync").stderr,
          "the end of all senders")
    steps = [p.step for p in client.history(run.id, "m")]
    assert len(steps) == len(set(steps))
    # No frame was sent again as another, and no point in two of them.
    assert not proxy.broken
    for writer in proxy.frames:
        sent = proxy.points_of(writer)
        assert sent == list(range(sent[0], sent[0] + len(sent)))
    assert sum(len(proxy.points_of(writer)) for writer in proxy.frames) == (
        len(steps))
    for first, last in written:
        arrived = [s for s in steps if first <= s < first + 10_000_000]
        # What it did not live to say that it logged may be there too.
        assert arrived[:last - first + 1] == list(range(first, last + 1))
        assert len(arrived) - (last - first + 1) < 10_000
