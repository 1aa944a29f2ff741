"""A server that has no room for a write says when to come back (429 with
Retry-After), and the stock client comes back. That the server says so is tested
in gateway/rest_door_test.cc; here its answer stands before a real server."""

import http.server
import json
import threading
import urllib.request

import mlflow
import pytest
from mlflow.entities import Metric

import harness

pytestmark = pytest.mark.skipif(
    bool(harness.REFERENCE), reason="the reference does not refuse writes")

REFUSALS = 2
REFUSAL = json.dumps({
    "error_code": "RESOURCE_EXHAUSTED",
    "message": "More writes wait for the disk than the server takes; try again "
               "in a second."}).encode()


class Front(http.server.BaseHTTPRequestHandler):
    """Passes requests on; refuses the first writes of metrics."""

    protocol_version = "HTTP/1.1"
    server_url = None
    refused = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if (self.path.endswith(("/log-batch", "/log-metric"))
                and len(self.refused) < REFUSALS):
            self.refused.append(self.path)
            self._answer(429, REFUSAL, {"Retry-After": "1"})
            return
        self._pass_on(body)

    def do_GET(self):
        self._pass_on(None)

    def _pass_on(self, body):
        request = urllib.request.Request(
            self.server_url + self.path, body,
            {"Content-Type": "application/json"}, method=self.command)
        with urllib.request.urlopen(request) as answer:
            self._answer(answer.status, answer.read(), {})

    def _answer(self, status, body, headers):
        self.send_response(status)
        for name, value in {"Content-Type": "application/json",
                            "Content-Length": str(len(body)),
                            **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def front(server):
    handler = type("FrontOfServer", (Front,),
                   {"server_url": server.url, "refused": []})
    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}", handler.refused
    httpd.shutdown()
    httpd.server_close()


def test_refused_writes_are_sent_again(server, front, monkeypatch):
    # As it is without these tests.
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES")
    url, refused = front
    client = mlflow.MlflowClient(url)
    run_id = client.create_run("0").info.run_id
    client.log_metric(run_id, "loss", 0.5, timestamp=1, step=1)
    client.log_batch(run_id, [Metric("loss", 0.25, 2, 2)])
    assert len(refused) == REFUSALS
    history = mlflow.MlflowClient(server.url).get_metric_history(run_id, "loss")
    assert [metric.step for metric in history] == [1, 2]
