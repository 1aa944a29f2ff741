"""TLS to the database, in the spellings that users of mlflow have in their
URIs: those of psycopg2 and PyMySQL."""

import subprocess

import pytest

import harness
from mariadb import MariadbServer
from postgres import PostgresServer

pytestmark = pytest.mark.skipif(
    harness.REFERENCE is not None, reason="about our server")

# By product: what opens the database, whose certificate is for 127.0.0.1 and no
# name; and what does not, with a word of the reason.
TAKEN = {
    PostgresServer: [
        "", "sslmode=require", "sslmode=verify-full&sslrootcert={ca}",
        "sslmode=verify-ca&sslrootcert={ca}&sslcert={client}&sslkey={key}"],
    MariadbServer: [
        "", "ssl=true", "ssl_mode=REQUIRED", "ssl_ca={ca}",
        "ssl_ca={ca}&ssl_verify_cert=true&ssl_verify_identity=true",
        "ssl_ca={other}&ssl_verify_cert=false",
        "ssl_ca={ca}&ssl_cert={client}&ssl_key={key}"],
}
TAKEN_BY_NAME = {
    PostgresServer: ["sslmode=verify-ca&sslrootcert={ca}"],
    MariadbServer: ["ssl_ca={ca}&ssl_check_hostname=false",
                    "ssl_ca={ca}&ssl_verify_cert=true"],
}
REFUSED = {
    PostgresServer: [("sslmode=disable", "no encryption"),
                     ("sslmode=verify-ca&sslrootcert={other}", "certificate"),
                     ("sslmode=verify-full&sslrootcert={other}",
                      "certificate")],
    MariadbServer: [("ssl_disabled=true", "denied|insecure"),
                    ("ssl_ca={other}", "certificate"),
                    ("ssl_ca={other}&ssl_check_hostname=false",
                     "certificate")],
}
REFUSED_BY_NAME = {
    PostgresServer: [("sslmode=verify-full&sslrootcert={ca}", "localhost")],
    MariadbServer: [("ssl_ca={ca}", "certificate")],
}
SETTINGS = {
    PostgresServer: ["ssl=on", "ssl_ca_file={ca}", "ssl_cert_file={server}",
                     "ssl_key_file={server_key}", "hba_file={rules}"],
    MariadbServer: ["ssl-ca={ca}", "ssl-cert={server}", "ssl-key={server_key}",
                    "require-secure-transport=ON"],
}


def certificate(folder, name, *options):
    """A certificate and its key."""
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
         f"/CN={name}", "-out", paths[0], "-keyout", paths[1], *options],
        check=True, capture_output=True)
    paths[1].chmod(0o600)
    return paths


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Whom to trust, whom not, and what they have signed."""
    folder = tmp_path_factory.mktemp("certificates")
    ca, ca_key = certificate(folder, "ca")
    other, _ = certificate(folder, "other")
    signed = ["-CA", ca, "-CAkey", ca_key, "-addext",
              "basicConstraints=critical,CA:FALSE"]
    server, server_key = certificate(
        folder, "server", *signed, "-addext", "subjectAltName=IP:127.0.0.1")
    client, key = certificate(folder, "client", *signed)
    return {"ca": ca, "other": other, "server": server,
            "server_key": server_key, "client": client, "key": key}


@pytest.fixture(scope="module", params=SETTINGS,
                ids=lambda kind: kind.product.lower())
def database(request, files):
    """One that takes nobody without TLS."""
    server = request.param(fsync=False)
    kept = {name: server.keep(path.name, path.read_bytes())
            for name, path in files.items()}
    kept["rules"] = server.keep(
        "rules", b"hostssl all all 127.0.0.1/32 scram-sha-256\n")
    server.settings += [setting.format(**kept)
                        for setting in SETTINGS[request.param]]
    with server:
        server.make_database("tls")
        yield server


@pytest.fixture
def start(database, files, tmp_path):
    """start(query, host) starts a server of ours on the database."""
    started = []

    def begin(query, host):
        uri = database.uri("tls", database.dialects[1])
        uri = uri.replace("127.0.0.1", host) + "?" + query.format(**files)
        folder = tmp_path / f"server{len(started)}"
        folder.mkdir()
        started.append(harness.Server(folder, "--backend-wait", "0",
                                      "--backend-store-uri", uri))
        started[-1].start()

    yield begin
    for server in started:
        if server.is_running():
            server.kill()


def test_who_trusts_the_right_authority_is_served(database, start):
    for query in TAKEN[type(database)]:
        start(query, "127.0.0.1")
    for query in TAKEN_BY_NAME[type(database)]:
        start(query, "localhost")


def test_the_wrong_authority_and_the_wrong_host_are_refused(database, start):
    for query, reason in REFUSED[type(database)]:
        with pytest.raises(RuntimeError, match=reason):
            start(query, "127.0.0.1")
    for query, reason in REFUSED_BY_NAME[type(database)]:
        with pytest.raises(RuntimeError, match=reason):
            start(query, "localhost")


def test_a_server_that_offers_no_tls_is_refused(database, start):
    """Also one that did before: nobody in between can make it so."""
    database.stop()
    settings = database.settings
    database.settings = [s for s in settings if not s.startswith("ssl")
                         and not s.startswith("require")]
    # In MariaDB what is not asked for is off.
    database.start()
    try:
        for query in [*TAKEN[type(database)][1:]]:
            with pytest.raises(RuntimeError):
                start(query, "127.0.0.1")
    finally:
        database.stop()
        database.settings = settings
        database.start()
