"""Sends logs: metrics as acknowledged frames, the rest as calls."""

from __future__ import annotations

import asyncio
import pathlib
import shutil
import time
import traceback
from typing import Any, Protocol, Sequence

import grpc.aio

from . import _api
from . import _format as fmt
from . import _making, _refused, _tasks
from ._errors import AWAY, BUSY, FINAL, NOT_THERE, Error
from ._reader import Call, Dictionary, LogReader, Points
from ._server import Backoff, Server, error_of, why

# Frames on their way: enough to keep the server busy over a slow line, few
# enough not to fill memory.
WINDOW_FRAMES = 32
ANSWER_SECONDS = 30.0
CALL_SECONDS = 30.0
# An idle stream is closed: a server has only so many.
IDLE_SECONDS = 30.0
# How often a log looks whether those before it are done.
EARLIER_SECONDS = 0.05
# A server that does not know a run may have been started on the wrong data: it
# is asked again for so long before the run is given up.
LOST_RUN_SECONDS = 60.0


class Earlier(Protocol):
    """A log that goes before another of its run."""

    run_id: str

    def is_pending(self) -> bool: ...

    @property
    def blocked(self) -> Error | None: ...


class LogSender:
    """Sends one log, in order. Belongs to one event loop.

    Those of `earlier` that are of its run come before it. A frame or a call
    that the server refuses for good is written to refused.jsonl in the spool
    folder and reported by `on_error`; the rest of the log goes on, or waits if
    there is no space for that. A run that
    the server refuses is `refused`: its log is marked so and left as it is. A
    run that it does not know is asked for again for `lost_wait` seconds; None:
    as long as we live.
    """

    def __init__(self, server: Server, folder: pathlib.Path,
                 on_error: Any, earlier: Sequence[Earlier] = (),
                 lost_wait: float | None = LOST_RUN_SECONDS) -> None:
        self.folder = folder
        self.log = LogReader(folder)
        self.run_id = self.log.run_id
        # Why the server takes nothing for this run, once it said so.
        self.refused: Error | None = fmt.read_refusal(folder)
        # Has ended: nothing more will be sent from here.
        self.gone = False
        self._blocked: Error | None = None
        self._lost_since: float | None = None
        self._lost_wait = lost_wait
        self._earlier = [log for log in earlier if log.run_id == self.run_id]
        # Points and bytes that are done since the sender looks after the log.
        self.calls_done = 0
        self._server = server
        self._on_error = on_error
        self._writer_id = f"{folder.parent.name}/{folder.name}"
        self._wake = asyncio.Event()
        self._acked = asyncio.Event()
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self._stream: Any = None
        self._acks: asyncio.Task[None] | None = None
        self._failure: Error | None = None
        self._number = 0
        self._resend: list[fmt.Frame] = []
        self._suspect = 0
        self._dictionary = Dictionary()
        self._lost_told = 0

    @property
    def done(self) -> int:
        return self.log.journal.done.end

    @property
    def points_done(self) -> int:
        return self.log.journal.done.points

    @property
    def blocked(self) -> Error | None:
        """Why nothing can be sent now, though the server is there."""
        for log in self._earlier:
            if log.is_pending() and log.blocked is not None:
                return log.blocked
        return self._blocked

    def poke(self) -> None:
        """Says that there may be something new."""
        self._wake.set()

    def has_news(self) -> bool:
        return self.refused is None and self.log.available()

    def is_drained(self) -> bool:
        """Whether nothing is to be sent any more."""
        return self.refused is not None or self.log.is_drained()

    def is_pending(self) -> bool:
        return not self.gone and not self.is_drained()

    def pending_bytes(self) -> int:
        return 0 if self.refused is not None else self.log.pending_bytes()

    async def reach(self, position: int, seconds: float) -> bool:
        """Waits until all up to `position` is done, or refused."""
        if self.done >= position or self.refused is not None:
            return True
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append((position, waiter))
        self.poke()
        try:
            await asyncio.wait_for(waiter, seconds)
        except asyncio.TimeoutError:
            return False
        finally:
            self._waiting = [w for w in self._waiting if w[1] is not waiter]
        return True

    async def run(self) -> None:
        """Sends what comes, until cancelled."""
        backoff = Backoff()
        try:
            while any(log.is_pending() for log in self._earlier):
                await asyncio.sleep(EARLIER_SECONDS)
            self._earlier.clear()
            while True:
                try:
                    await self._send_all()
                    backoff.reset()
                    self._blocked = None
                    await self._sleep()
                except Error as error:
                    await self._recover(error, backoff)
                except Exception as bug:  # the log must not be left alone
                    traceback.print_exc()
                    await self._recover(
                        Error("INTERNAL_ERROR", str(bug)), backoff)
        finally:
            self.gone = True
            await self._drop_stream()
            self.log.close()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- One pass

    async def _send_all(self) -> None:
        while True:
            self._wake.clear()
            if self._failure is not None:
                raise self._failure
            if self.refused is not None:
                return
            if self._resend or (self.log.available()
                                and not self.log.next_is_call()):
                if self._stream is None:
                    await self._open()
                    continue
                await self._send_frame()
            elif self.log.available():
                item = self.log.next()
                if isinstance(item, Call):
                    await self._all_acknowledged()
                    await self._make(item)
            else:
                # Segments that hold nothing more are passed over.
                self._tell_lost()
                await self._all_acknowledged()
                return

    async def _sleep(self) -> None:
        """Until there is more; an idle stream is given up."""
        try:
            await asyncio.wait_for(self._wake.wait(), IDLE_SECONDS)
        except asyncio.TimeoutError:
            if self._stream is not None:
                await self._end_stream()

    async def _send_frame(self) -> None:
        if self._resend:
            frame = self._resend.pop(0)
            points = self.log.next(until=frame.end, points_max=1 << 62)
        else:
            points = self.log.next()
            if not isinstance(points, Points):
                return  # nothing but damaged records
            frame = fmt.Frame(self._number, points.end, self.log.points)
            self.log.journal.frame(frame)
        if not isinstance(points, Points):
            points = Points(end=frame.end)
        if not self._dictionary.has_room(points):
            # Another stream begins with an empty dictionary, and this frame.
            await self._end_stream()
            self.log.rewind()
            return
        alone = frame.number == self._suspect
        self._number = frame.number + 1
        while len(self.log.journal.sent) - len(self._resend) > WINDOW_FRAMES:
            await self._progress()
        try:
            await asyncio.wait_for(self._stream.write(
                self._dictionary.frame(frame.number, points, self.log)),
                ANSWER_SECONDS)
        except asyncio.TimeoutError:
            raise Error(AWAY, "the stream takes nothing") from None
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError,
                grpc.aio.UsageError):
            # The reader of acknowledgements learns why.
            await self._progress()
            raise Error(AWAY, "the stream ended") from None
        if alone:
            while any(f.number == frame.number for f in self.log.journal.sent):
                await self._progress()
            self._suspect = 0

    async def _all_acknowledged(self) -> None:
        while self.log.journal.sent:
            await self._progress()

    async def _progress(self) -> None:
        """Waits for an acknowledgement; Error if the stream ended."""
        if self._failure is None:
            self._acked.clear()
            try:
                await asyncio.wait_for(self._acked.wait(), ANSWER_SECONDS)
            except asyncio.TimeoutError:
                raise Error(AWAY, "the server acknowledges nothing") from None
        if self._failure is not None:
            raise self._failure

    async def _make(self, call: Call) -> None:
        done = self.log.journal.done
        finished = fmt.Frame(done.number, call.end, call.points)
        try:
            if not await self._was_made(call):
                await self._server.call(call.path, call.request, CALL_SECONDS)
        except Error as error:
            if not error.refuses_item():
                raise
            if error.refuses_run():
                refusal = await self._ask_for_run()
                if refusal is not None:
                    raise _RunRefused(refusal) from None
            if not _making.says_made(call.path, error):
                self._refuse(error, {"call": call.path}, call.request)
        self.calls_done += 1
        self._finish(finished)

    async def _was_made(self, call: Call) -> bool:
        """Whether a call that adds something, each time it is made, was made
        before, by us or somebody whose answer was lost."""
        if not call.path.endswith("/LogModel"):
            return False
        method = _api.method("GetRun")
        assert method is not None
        try:
            answer = method.response.FromString(await self._server.call(
                method.path, method.request(
                    run_id=self.run_id).SerializeToString(), CALL_SECONDS))
        except Error as error:
            if not error.refuses_item():
                raise
            return False  # as the call itself will be told
        return _making.has_model(answer.run, call.request)

    async def _ask_for_run(self) -> Error | None:
        """Why the server takes nothing for this run; None: it does."""
        method = _api.method("LogBatch")
        assert method is not None
        try:
            await self._server.call(
                method.path, method.request(
                    run_id=self.run_id).SerializeToString(), CALL_SECONDS)
        except Error as error:
            if not error.refuses_run():
                raise
            return error
        return None

    # --- The stream

    async def _open(self) -> None:
        method = _api.method("LogMetrics")
        assert method is not None
        stream = self._server.stream(method.path, method.response)
        request = method.request()
        request.open.run_id = self.run_id
        request.open.writer_id = self._writer_id
        try:
            await asyncio.wait_for(stream.write(request), ANSWER_SECONDS)
            answer = await asyncio.wait_for(stream.read(), ANSWER_SECONDS)
            if answer is grpc.aio.EOF:
                raise _at_open(await why(stream))
        except asyncio.TimeoutError:
            stream.cancel()
            raise Error(AWAY, "the stream does not open") from None
        except grpc.aio.AioRpcError as failure:
            raise _at_open(error_of(failure)) from None
        except (asyncio.InvalidStateError, grpc.aio.UsageError):
            raise _at_open(await why(stream)) from None
        self._acknowledge(answer.durable_frame)
        journal = self.log.journal
        self._number = answer.durable_frame + 1
        if journal.sent and journal.sent[0].number != self._number:
            # The server forgot frames, or we did: number anew what is left.
            journal.forget(0)
            self._suspect = 0
        self._resend = list(journal.sent)
        self.log.rewind()
        self._dictionary = Dictionary()
        self._failure = None
        self._stream = stream
        self._acks = asyncio.create_task(self._read_acks(stream))

    async def _read_acks(self, stream: Any) -> None:
        try:
            while True:
                answer = await stream.read()
                if answer is grpc.aio.EOF:
                    self._failure = await why(stream)
                    break
                self._acknowledge(answer.durable_frame)
                self._acked.set()
        except grpc.aio.AioRpcError as failure:
            self._failure = error_of(failure)
        self._acked.set()
        self._wake.set()

    def _acknowledge(self, number: int) -> None:
        frames = [f for f in self.log.journal.sent if f.number <= number]
        if frames:
            self._finish(frames[-1])

    def _finish(self, frame: fmt.Frame) -> None:
        self._blocked = self._lost_since = None
        self.log.journal.finish(frame)
        self.log.remove_done()
        for position, waiter in self._waiting:
            if position <= frame.end and not waiter.done():
                waiter.set_result(None)

    async def _end_stream(self) -> None:
        stream, acks = self._stream, self._acks
        self._stream = None
        try:
            await asyncio.wait_for(stream.done_writing(), ANSWER_SECONDS)
            if acks is not None:
                await asyncio.wait_for(acks, ANSWER_SECONDS)
        except (asyncio.TimeoutError, grpc.aio.AioRpcError,
                asyncio.InvalidStateError, grpc.aio.UsageError):
            stream.cancel()
        self._failure = None

    async def _drop_stream(self) -> None:
        if self._stream is not None:
            self._stream.cancel()
        if self._acks is not None:
            await _tasks.end([self._acks])
        self._stream = self._acks = self._failure = None

    # --- Failures

    async def _recover(self, error: Error, backoff: Backoff) -> None:
        streaming = self._stream is not None
        await self._drop_stream()
        self.log.rewind()
        self._resend = []
        error = self._server.failed(error)
        if isinstance(error, _RunRefused):
            if not self._may_come_back(error):
                self._set_aside(error)
                return
        elif streaming and error.refuses_item():
            try:
                self._find_culprit(error)
                return
            except _NotKept as full:
                self.log.rewind()
                error = full
        if error.code not in BUSY and error.code != AWAY and (
                error.named or error.code in FINAL):
            self._block(error)
        while self._server.is_away:
            await self._server.wait(3600)
        await backoff.sleep()

    def _may_come_back(self, error: Error) -> bool:
        """Whether a server that does not know the run is to be asked again."""
        if error.code != NOT_THERE:
            return self._lost_wait is None
        if self._lost_since is None:
            self._lost_since = time.monotonic()
        return self._lost_wait is None or (
            time.monotonic() - self._lost_since < self._lost_wait)

    def _block(self, error: Error) -> None:
        """Nothing can be sent for now, for a reason that people can mend."""
        if self._blocked is None or self._blocked.code != error.code:
            told = (error.message if isinstance(error, _NotKept) else
                    f"{self._server.target} does not take what was logged "
                    f"({error})")
            self._on_error(f"run {self.run_id}: {told}; it stays in "
                           f"{self.folder} and is tried again", "blocked")
        self._blocked = error

    def _find_culprit(self, error: Error) -> None:
        """A frame was refused: the first that is not durable. The next stream
        waits for the answer to it before it sends others, and it is left out
        if it is refused again."""
        journal = self.log.journal
        if not journal.sent:
            return
        frame = journal.sent[0]
        if frame.number != self._suspect:
            self._suspect = frame.number
            return
        points = self.log.next(until=frame.end, points_max=1 << 62)
        if isinstance(points, Points):
            self._refuse_points(error, points)
        journal.forget(frame.number)
        self._finish(fmt.Frame(frame.number - 1, frame.end, frame.points))
        self.log.rewind()
        self._suspect = 0

    def _set_aside(self, error: Error) -> None:
        """Nothing of this log is sent any more, and nothing is lost: it is
        marked, and moved when its process has closed it."""
        fmt.write_refusal(self.folder, error.code, error.message,
                          self._server.target)
        self.refused = error
        for _, waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        self._on_error(
            f"run {self.run_id}: the server refused the run ({error}); what "
            "was logged to it is kept and sent again by `millstream sync "
            "--refused`", "refused")

    def _refuse_points(self, error: Error, points: Points) -> None:
        self._refuse(error, {"points": {
            self.log.key(key) or f"#{key}": list(zip(*columns))
            for key, columns in points.columns.items()}}, b"")

    def _refuse(self, error: Error, what: dict[str, Any],
                request: bytes) -> None:
        """Keeps what was refused where people can read it; _NotKept if that
        cannot be."""
        if "call" in what:
            method = _api.method(what["call"].rpartition("/")[2])
            if method is not None:
                what["request"] = str(method.request.FromString(request))
        spool = self.folder.parent.parent
        try:
            _refused.add(spool, {
                "time": int(time.time()), "server": self._server.target,
                "run_id": self.run_id, "error": error.code,
                "message": error.message, **what})
        except OSError as why:
            raise _NotKept(error, why.strerror or str(why)) from None
        self._on_error(f"run {self.run_id}: the server refused what was logged"
                       f" ({error}); it is kept in {_refused.path_of(spool)}",
                       "refused")

    def _tell_lost(self) -> None:
        if self.log.lost_bytes > self._lost_told:
            lost = self.log.lost_bytes - self._lost_told
            self._lost_told = self.log.lost_bytes
            self._on_error(f"run {self.run_id}: {lost} bytes of the spool "
                           f"{self.folder} are damaged and left out", "lost")


class _RunRefused(Error):
    """The run itself was refused, not a frame or a call."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.code, error.message, error.named)


class _NotKept(Error):
    """There is no space for what was refused."""

    def __init__(self, error: Error, why: str) -> None:
        super().__init__("INVALID_STATE", "the server refused what was logged "
                         f"({error}), and it cannot be kept: {why}")


def _at_open(error: Error) -> Error:
    return _RunRefused(error) if error.refuses_run() else error


assert not BUSY & FINAL
