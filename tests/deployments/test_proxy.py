"""Behind nginx, below a prefix, with TLS at both doors and between them."""

import http.client
import os
import signal
import ssl
import subprocess

import grpc
import pytest
import requests
from grpc_health.v1 import health_pb2, health_pb2_grpc

import containers
import services
import work

NAME = "tracking.example.com"
URL = f"https://{NAME}/mlflow"
USER = {"MLFLOW_TRACKING_USERNAME": "alice",
        "MLFLOW_TRACKING_PASSWORD": "a pass:word"}
CREDENTIALS = tuple(USER.values())
INSIDE = "/etc/millstream/tls"


class Authority:
    """Signs certificates, as often as it is asked to."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.certificate = folder / "ca.pem"
        self._make("ca", "-addext", "basicConstraints=critical,CA:TRUE")

    def sign(self, folder):
        """(certificate, key) for our names, put there whole."""
        self._make("new", "-CA", self.certificate, "-CAkey",
                   self.folder / "ca.key", "-addext",
                   f"subjectAltName=DNS:{NAME}")
        folder.mkdir(exist_ok=True)
        for name in "key", "pem":
            (self.folder / f"new.{name}").chmod(0o644)
            os.replace(self.folder / f"new.{name}", folder / f"server.{name}")
        return folder / "server.pem", folder / "server.key"

    def _make(self, name, *options):
        containers.run(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
            f"/CN={name}", *options, "-out", self.folder / f"{name}.pem",
            "-keyout", self.folder / f"{name}.key",
            stderr=subprocess.DEVNULL)


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path / "authority")


@pytest.fixture
def copies(container, postgres, minio, authority, tmp_path):
    postgres.make_owned("behind", "behind", "p")
    made = []
    for number in range(2):
        authority.sign(tmp_path / f"tls{number}")
        made.append(container(
            "mlflow", "server", "--host", "0.0.0.0", "--port", "5000",
            "--static-prefix", "/mlflow", "--artifacts-destination",
            f"s3://{minio.bucket}/behind", "--allowed-hosts", NAME,
            "--access-log", "--log-format", "json",
            environment={
                "MLFLOW_BACKEND_STORE_URI":
                    "postgresql://behind:p@postgres/behind",
                "MILLSTREAM_TLS_CERT": f"{INSIDE}/server.pem",
                "MILLSTREAM_TLS_KEY": f"{INSIDE}/server.key",
                "MILLSTREAM_TRUSTED_PROXIES": containers.BRIDGE,
                **USER, **minio.environment},
            mounts={INSIDE: tmp_path / f"tls{number}"}))
        made[-1].start_only()
    for each in made:
        each.wait_until_healthy()
    return made


@pytest.fixture
def nginx(copies, authority, tmp_path):
    certificate, key = authority.sign(tmp_path / "door")
    started = services.Nginx(
        tmp_path / "nginx", [f"{each.address}:5000" for each in copies],
        f"listen {containers.BRIDGE}:443 ssl; ssl_certificate {certificate}; "
        f"ssl_certificate_key {key}; proxy_ssl_verify on; "
        f"proxy_ssl_trusted_certificate {authority.certificate}; "
        f"proxy_ssl_name {NAME};", URL, scheme="https")
    yield started
    started.stop()


def serial(address, port):
    """Of the certificate that is shown there."""
    return ssl.get_server_certificate((address, port))


def test_behind_nginx(copies, nginx, user, authority, tmp_path):
    work.assert_closed(URL, verify=authority.certificate)
    user({**USER, "MLFLOW_TRACKING_SERVER_CERT_PATH":
          str(authority.certificate)})
    ids = work.fill(URL)
    work.read_back(URL, ids)
    work.see(URL, ids, tmp_path, {
        **USER, "MLFLOW_TRACKING_INSECURE_TLS": "true"})
    the_outside_is_known(copies, authority)
    only_that_name_is_answered(copies, authority)
    certificates_are_renewed(copies, nginx, authority, tmp_path)
    work.read_back(URL, ids)
    for each in copies:
        assert each.stop() == 0


def the_outside_is_known(copies, authority):
    answer = requests.get(
        f"https://{NAME}/mlflow", allow_redirects=False, timeout=30,
        auth=CREDENTIALS, verify=authority.certificate,
        headers={"X-Forwarded-For": "203.0.113.7"})
    assert answer.status_code in (200, 301, 302, 308)
    location = answer.headers.get("Location", URL)
    assert location.startswith(("/mlflow", URL))
    # Behind nginx, and another proxy on the bridge. The line is written once
    # the answer is.
    work.until(lambda: any(
        '"peer":"203.0.113.7"' in each.log() for each in copies))


def only_that_name_is_answered(copies, authority):
    for host, status in ((NAME, 200), ("evil.example", 403)):
        answer = requests.get(
            f"https://{copies[0].address}:5000/mlflow/version", timeout=30,
            headers={"Host": host}, auth=CREDENTIALS, verify=False)
        # Probes are answered whatever their Host; others are not.
        assert answer.status_code == 200
        answer = requests.get(
            f"https://{copies[0].address}:5000/mlflow/api/2.0/mlflow/"
            "experiments/search?max_results=1", timeout=30,
            headers={"Host": host}, auth=CREDENTIALS, verify=False)
        assert answer.status_code == status
        if status == 403:
            assert "--allowed-hosts" in answer.text
    credentials = grpc.ssl_channel_credentials(
        authority.certificate.read_bytes())
    with grpc.secure_channel(
            f"{copies[0].address}:5001", credentials,
            [("grpc.ssl_target_name_override", NAME)]) as channel:
        assert health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=30).status == (
                health_pb2.HealthCheckResponse.SERVING)


def certificates_are_renewed(copies, nginx, authority, tmp_path):
    context = ssl.create_default_context(cafile=authority.certificate)
    kept = http.client.HTTPSConnection(NAME, context=context, timeout=30)
    kept.request("GET", "/mlflow/health")
    assert kept.getresponse().read() == b"OK"
    for number, each in enumerate(copies):
        for port in 5000, 5001:
            before = serial(each.address, port)
            authority.sign(tmp_path / f"tls{number}")
            work.until(lambda p=port, b=before, a=each.address:
                       serial(a, p) != b)
    kept.request("GET", "/mlflow/health")
    assert kept.getresponse().read() == b"OK"
    kept.close()
    # nginx reads its own anew, and ends its idle connections for it.
    before = serial(NAME, 443)
    authority.sign(tmp_path / "door")
    nginx.signal(signal.SIGHUP)
    work.until(lambda: serial(NAME, 443) != before)
