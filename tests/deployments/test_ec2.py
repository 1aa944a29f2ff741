"""A container on EC2: PostgreSQL and S3 told by plain variables."""

import time

import pytest
import requests

import work

PORT = 5000


@pytest.fixture
def variables(postgres, minio):
    postgres.make_owned("tracking", "mlflow", "pass/word:@%")
    return {"BUCKET": minio.bucket, "USERNAME": "mlflow",
            "PASSWORD": "pass/word:@%", "HOST": "postgres",
            "DATABASE": "tracking", **minio.environment}


def wait_for(container, text, times=1):
    deadline = time.monotonic() + 30
    while container.log().count(text) < times:
        assert time.monotonic() < deadline, container.log()
        time.sleep(0.02)


def test_ec2_container(container, user, postgres, minio, variables, tmp_path):
    # Both are there before their database is.
    postgres.stop()
    first, second, third = [container(environment=variables)
                            for _ in range(3)]
    for each in (first, second, third):
        each.start_only()
    for each in (first, second, third):
        wait_for(each, "Waiting for PostgreSQL")
        assert not each.is_healthy()
    # One that waits stops as well as one that serves.
    assert third.stop() == 0
    postgres.start()
    for each in (first, second):
        each.wait_until_healthy()
        assert variables["PASSWORD"] not in each.log()
        assert "pass%2" not in each.log()

    user(minio.environment)
    ids = work.fill(first.url(PORT))
    work.read_back(second.url(PORT), ids)
    work.see(second.url(PORT), ids, tmp_path)
    # The client wrote to the bucket itself.
    root = f"{ids['experiment']}/{ids['runs']['basalt']}/artifacts/"
    assert root + "settings.json" in minio.keys(root)

    work.restart([first, second])
    work.read_back(first.url(PORT), ids)
    # A database that goes away while they run comes back to them.
    postgres.stop(at_once=True)
    assert requests.get(first.url(PORT) + "/health", timeout=30).ok
    postgres.start()
    work.read_back(second.url(PORT), ids)
    for each in (first, second):
        assert each.stop() == 0
