"""One client for both doors: call("CreateRun", {...}) over gRPC or REST.

Answers are dicts with MLflow's field names either way, so that a scenario
cannot tell which door it came through. The gRPC door is driven by what server
reflection says, the REST door by the route list that the gateway's own test
keeps: no generated code, and no list of rpcs here.
"""

import json
import math
import pathlib
import re
import urllib.error
import urllib.parse
import urllib.request

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import FieldDescriptor
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase)

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROUTES = ROOT / "gateway" / "testdata" / "routes.txt"
CHUNK = 100_000


class ApiError(Exception):
    """A refusal, as either door tells it."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class GrpcDoor:
    """Calls by reflection."""

    name = "grpc"

    def __init__(self, server, authorization=None):
        # A channel to a server of before, at the same address, may be waiting
        # to try again.
        self.channel = grpc.insecure_channel(
            server.grpc_address, [("grpc.use_local_subchannel_pool", 1)])
        if authorization is not None:
            self.channel = grpc.intercept_channel(
                self.channel, Authorize(authorization))
        database = ProtoReflectionDescriptorDatabase(self.channel)
        self.services = database.get_services()
        self._pool = descriptor_pool.DescriptorPool(database)
        self._methods = {}
        # Held: a class that only a call has may go while another thread takes
        # the same one, and the interpreter ends.
        self._classes = {}
        for name in self.services:
            if name.startswith("millstream."):
                service = self._pool.FindServiceByName(name)
                for method in service.methods:
                    self._methods[method.name] = method
                    for kind in (method.input_type, method.output_type):
                        self._classes[kind.full_name] = (
                            message_factory.GetMessageClass(kind))

    def close(self):
        self.channel.close()

    def methods(self):
        """All rpcs of millstream: descriptors."""
        return list(self._methods.values())

    def call(self, rpc, request=None):
        method = self._methods[rpc]
        message = json_format.ParseDict(request or {}, self._new(
            method.input_type))
        return self._answer(lambda: self._stub("unary_unary", method)(message))

    def upload(self, rpc, request, data):
        method = self._methods[rpc]

        def messages():
            yield json_format.ParseDict(request, self._new(method.input_type))
            for start in range(0, len(data), CHUNK):
                chunk = self._new(method.input_type)
                chunk.data = data[start:start + CHUNK]
                yield chunk

        return self._answer(
            lambda: self._stub("stream_unary", method)(messages()))

    def download(self, rpc, request):
        method = self._methods[rpc]
        message = json_format.ParseDict(request, self._new(method.input_type))
        try:
            chunks = list(self._stub("unary_stream", method)(message))
        except grpc.RpcError as error:
            raise self._error(error) from None
        return b"".join(chunk.data for chunk in chunks)

    def stream(self, rpc, requests, **options):
        """The call of a streaming rpc, as grpc has it; `requests` are dicts or
        messages made by new()."""
        method = self._methods[rpc]

        def messages():
            for request in requests:
                yield (json_format.ParseDict(request,
                                             self._new(method.input_type))
                       if isinstance(request, dict) else request)

        if method.client_streaming:
            return self._stub("stream_stream", method)(messages(), **options)
        return self._stub("unary_stream", method)(next(messages()), **options)

    def new(self, rpc):
        """An empty request."""
        return self._new(self._methods[rpc].input_type)

    def _new(self, descriptor):
        return self._classes[descriptor.full_name]()

    def _stub(self, shape, method):
        path = f"/{method.containing_service.full_name}/{method.name}"
        return getattr(self.channel, shape)(
            path, request_serializer=lambda m: m.SerializeToString(),
            response_deserializer=self._classes[
                method.output_type.full_name].FromString)

    def _answer(self, call):
        try:
            return to_dict(call())
        except grpc.RpcError as error:
            raise self._error(error) from None

    def _error(self, error):
        metadata = dict(error.trailing_metadata() or ())
        return ApiError(metadata.get("millstream-error-code",
                                     error.code().name), error.details())


class Authorize(grpc.UnaryUnaryClientInterceptor,
                grpc.UnaryStreamClientInterceptor,
                grpc.StreamUnaryClientInterceptor,
                grpc.StreamStreamClientInterceptor):
    """Sends credentials with every call."""

    def __init__(self, authorization):
        self._metadata = [("authorization", authorization)]

    def _call(self, proceed, details, request):
        return proceed(details._replace(
            metadata=list(details.metadata or ()) + self._metadata), request)

    def intercept_unary_unary(self, proceed, details, request):
        return self._call(proceed, details, request)

    intercept_unary_stream = intercept_unary_unary
    intercept_stream_unary = intercept_unary_unary
    intercept_stream_stream = intercept_unary_unary


class RestDoor:
    """Calls by the routes of the gateway."""

    name = "rest"

    def __init__(self, server, authorization=None):
        self._url = server.url
        self._headers = ({} if authorization is None
                         else {"Authorization": authorization})
        self._routes = {}
        for line in ROUTES.read_text().splitlines():
            match = re.fullmatch(r"(\w+) (\S+) -> \S*\.(\w+)", line)
            if match:
                method, path, rpc = match.groups()
                self._routes.setdefault(rpc, (method, path))

    def close(self):
        pass

    def call(self, rpc, request=None):
        method, url, rest = self._place(rpc, request or {})
        if method == "GET":
            return json.loads(self._send(
                "GET", f"{url}?{urllib.parse.urlencode(list(query(rest)))}"))
        # As MLflow's clients do, with what the path says in the body too.
        body = json.dumps(request or {}).encode()
        return json.loads(self._send(
            method, url, body, {"Content-Type": "application/json"}) or b"{}")

    def upload(self, rpc, request, data):
        method, url, rest = self._place(rpc, request)
        if rest:
            url = f"{url}?{urllib.parse.urlencode(rest)}"
        # Without a type, urllib says that the bytes are a form.
        return json.loads(self._send(
            method, url, data,
            {"Content-Type": "application/octet-stream"}) or b"{}")

    def download(self, rpc, request):
        _, url, rest = self._place(rpc, request)
        return self._send("GET", f"{url}?{urllib.parse.urlencode(rest)}")

    def _place(self, rpc, request):
        """Method and URL, and what of the request is not in the path."""
        method, path = self._routes[rpc]
        rest = dict(request)

        def fill(match):
            value = str(rest.pop(match[1]))
            return urllib.parse.quote(value, safe="/" if match[2] else "")

        path = re.sub(r"\{(\w+)(=\*\*)?\}", fill, path)
        return method, self._url + path, rest

    def _send(self, method, url, body=None, headers=()):
        request = urllib.request.Request(
            url, body, {**self._headers, **dict(headers)}, method=method)
        try:
            with urllib.request.urlopen(request) as response:
                return response.read()
        except urllib.error.HTTPError as error:
            try:
                answer = json.loads(error.read())
            except ValueError:
                answer = {}
            raise ApiError(answer.get("error_code", error.code),
                           answer.get("message", "")) from None


def query(request):
    """Query parameters: lists repeat."""
    for name, value in request.items():
        for item in value if isinstance(value, list) else [value]:
            yield name, item


def to_dict(message):
    """A message as MLflow's JSON has it: int64 are numbers."""
    answer = {}
    for field, value in message.ListFields():
        if field.is_repeated and field.message_type is not None and (
                field.message_type.GetOptions().map_entry):
            answer[field.name] = dict(value)
        elif field.is_repeated:
            answer[field.name] = [to_value(field, item) for item in value]
        else:
            answer[field.name] = to_value(field, value)
    return answer


def to_value(field, value):
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return to_dict(value)
    if field.type == FieldDescriptor.TYPE_ENUM:
        return field.enum_type.values_by_number[value].name
    if field.type == FieldDescriptor.TYPE_DOUBLE and math.isnan(value):
        return "NaN"
    return value
