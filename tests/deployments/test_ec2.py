"""A container on EC2: PostgreSQL and S3 told by plain variables."""

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


def test_ec2_container(container, user, postgres, minio, variables, tmp_path):
    first, second, third = [container(environment=variables)
                            for _ in range(3)]
    # They are there before their database is.
    with postgres.away():
        for each in (first, second, third):
            each.start_only()
        for each in (first, second, third):
            work.until(lambda c=each: "Waiting for PostgreSQL" in c.log())
            assert not each.is_healthy()
        # One that waits stops as well as one that serves.
        assert third.stop() == 0
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
    with postgres.away(at_once=True):
        assert requests.get(first.url(PORT) + "/health", timeout=30).ok
    work.read_back(second.url(PORT), ids)
    for each in (first, second):
        assert each.stop() == 0
