"""A process that logs frames until it is killed: python stream_writer.py
ADDRESS_FILE RUN_ID WRITER_ID GENERATION ACKNOWLEDGED_FILE.

Frame n holds POINTS points of each of KEYS at steps of its own, and each value
tells which attempt sent it: a frame that was kept twice shows. Every number
that the server acknowledges is a line of ACKNOWLEDGED_FILE.
"""

import os
import pathlib
import sys
import threading
import time

import grpc
from doors import GrpcDoor
from streams import Writer

POINTS = 5
KEYS = ["loss", "accuracy"]
WINDOW = 64
# So that there is not too much to check.
BURST = 20
PAUSE_SECONDS = 0.1


def points_of(number, value):
    first = number * POINTS
    return [(1000 + step, step, value)
            for step in range(first, first + POINTS)]


def write(address, run_id, writer_id, value, acknowledged):
    """One stream, until it fails."""

    class Server:
        grpc_address = address

    door = GrpcDoor(Server)
    failed = threading.Event()
    try:
        writer = Writer(door, run_id, writer_id)
        durable = writer.durable()
        os.write(acknowledged, b"%d\n" % durable)
        room = threading.Semaphore(WINDOW)

        def read_answers():
            known = durable
            try:
                while True:
                    number = writer.durable()
                    os.write(acknowledged, b"%d\n" % number)
                    room.release(number - known)
                    known = number
            except (grpc.RpcError, StopIteration):
                failed.set()
                room.release(WINDOW)

        reader = threading.Thread(target=read_answers, daemon=True)
        reader.start()
        number, new_keys = durable, KEYS
        while not failed.is_set():
            number += 1
            points = points_of(number, value)
            writer.send(number, {i: points for i in range(len(KEYS))},
                        new_keys)
            new_keys = []
            room.acquire()
            if number % BURST == 0:
                time.sleep(PAUSE_SECONDS)
        writer.half_close()
    finally:
        door.close()


def main():
    address_file, run_id, writer_id, generation, acknowledged = sys.argv[1:]
    out = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    attempt = 0
    while True:
        attempt += 1
        value = int(generation) * 1000.0 + attempt
        try:
            write(pathlib.Path(address_file).read_text(), run_id, writer_id,
                  value, out)
        except (grpc.RpcError, OSError):
            pass
        time.sleep(0.005)


if __name__ == "__main__":
    main()
