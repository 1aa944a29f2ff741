"""What deployments have beside the server: databases, secrets, a proxy."""

import contextlib
import pathlib
import subprocess
import sys
import time
import urllib.error
import urllib.request

import boto3
import psycopg2

from containers import BRIDGE
from database_server import PASSWORD
from mariadb import MariadbServer
from postgres import PostgresServer

START_SECONDS = 60


class Postgres(PostgresServer):
    """On the port that everybody expects, for every container."""

    def __init__(self):
        super().__init__(f"listen_addresses={BRIDGE},127.0.0.1", fsync=False)
        self.port = 5432
        with (self.folder / "data" / "pg_hba.conf").open("a") as rules:
            rules.write("host all all 10.88.0.0/24 scram-sha-256\n")

    def make_owned(self, database, user, password):
        link = psycopg2.connect(host="127.0.0.1", user="postgres",
                                password=PASSWORD, dbname="postgres")
        # A database is not made within a transaction.
        link.autocommit = True
        with link.cursor() as cursor:
            cursor.execute(
                f'CREATE ROLE "{user}" LOGIN PASSWORD %s', [password])
            cursor.execute(f'CREATE DATABASE {database} OWNER "{user}"')
        link.close()


    @contextlib.contextmanager
    def away(self, at_once=False):
        self.stop(at_once)
        try:
            yield
        finally:
            self.start()


class Mariadb(MariadbServer):
    """Likewise."""

    def __init__(self):
        super().__init__(f"bind-address={BRIDGE}", fsync=False)
        self.port = 3306

    def make_owned(self, database, user, password):
        self.execute(f"CREATE DATABASE {database}; "
                     f"CREATE USER '{user}'@'%' IDENTIFIED BY '{password}'; "
                     f"GRANT ALL ON {database}.* TO '{user}'@'%'")


class Program:
    """A server of somebody else's that runs while the tests do."""

    def __init__(self, folder, command, url, **options):
        self._log = pathlib.Path(folder) / "log"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", *map(str, command)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)
        deadline = time.monotonic() + START_SECONDS
        while not listens(url):
            if (self._process.poll() is not None
                    or time.monotonic() > deadline):
                raise RuntimeError(f"{command[0]}: {self._log.read_text()}")
            time.sleep(0.05)

    def signal(self, number):
        self._process.send_signal(number)

    def stop(self):
        self._process.terminate()
        self._process.wait(START_SECONDS)


def listens(url):
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError as error:
        # Somebody is there, whose certificate is not known here.
        return "CERTIFICATE" in str(error)
    return True


class Secrets(Program):
    """AWS Secrets Manager as moto plays it; it keeps what it is told."""

    url = "http://secretsmanager:4566"

    def __init__(self, folder):
        super().__init__(folder, [
            sys.executable, "-m", "moto.server", "-H", BRIDGE,
            "-p", "4566"], self.url)

    def create(self, name, text, region):
        boto3.client(
            "secretsmanager", endpoint_url=self.url, region_name=region,
            aws_access_key_id="id", aws_secret_access_key="secret",
        ).create_secret(Name=name, SecretString=text)


NGINX = """
worker_processes 1;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_max_body_size 0;
  upstream copies {{ {upstreams} }}
  server {{
    {door}
    location / {{
      proxy_pass {scheme}://copies;
      proxy_connect_timeout 300ms;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $host;
    }}
  }}
}}
"""


class Nginx(Program):
    """Debian's nginx on the bridge, in front of `copies` (host:port) that it
    asks in turn, also one that was away: copies that go one after the other
    would be left out together."""

    def __init__(self, folder, copies, door, url, scheme="http"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        configuration = self.folder / "nginx.conf"
        configuration.write_text(NGINX.format(
            folder=self.folder, door=door, scheme=scheme,
            upstreams=" ".join(f"server {c} max_fails=0;" for c in copies)))
        super().__init__(
            self.folder, ["/usr/sbin/nginx", "-e", self.folder / "error.log",
                          "-c", configuration,
                          "-g", "daemon off; user root;"], url)
