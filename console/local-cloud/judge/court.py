"""What every judge needs: the aws CLI, boto3 clients, signed raw requests, and a verdict."""

import json
import os
import subprocess
import threading
import time
import traceback
import urllib.error
import urllib.request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
REGION = "us-east-1"


class CliError(Exception):
    """The aws CLI ended with an error; its text is what the service said."""


class Court:
    """Counts verdicts; safe to use from two threads."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.lock = threading.Lock()

    def judge(self, check):
        """Runs one check: a function whose name is what it proves."""
        name = check.__name__.replace("_", " ")
        begin = time.monotonic()
        try:
            check()
            verdict, why = "ok", ""
        except Exception as error:  # noqa: BLE001 - every failure is a verdict
            verdict, why = "FAILED", f"\n    {describe(error)}"
        with self.lock:
            if verdict == "ok":
                self.passed += 1
            else:
                self.failed += 1
            print(f"{verdict:6} {name} ({time.monotonic() - begin:.1f} s){why}", flush=True)

    def judge_module(self, checks):
        for check in checks:
            self.judge(check)


def describe(error):
    where = traceback.extract_tb(error.__traceback__)
    lines = [f"{f.name}:{f.lineno} {f.line}" for f in where if "judge" in f.filename]
    return f"{type(error).__name__}: {error}\n    " + "\n    ".join(lines[-2:])


def aws(*words, env=None, raw=False):
    """Runs the aws CLI and gives what it printed, as JSON unless `raw`."""
    environment = dict(os.environ, **(env or {}))
    done = subprocess.run(
        ["aws", *words], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode != 0:
        raise CliError(done.stderr.strip())
    if raw:
        return done.stdout
    return json.loads(done.stdout) if done.stdout.strip() else {}


def aws_fails(code, *words, env=None):
    """Runs the aws CLI, which must fail with this error code."""
    try:
        answer = aws(*words, env=env)
    except CliError as error:
        assert f"({code})" in str(error), f"expected {code}: {error}"
        return str(error)
    raise AssertionError(f"expected {code}, got {answer}")


def client(service, **keys):
    """A boto3 client that does not retry, so that an error is seen as it is."""
    config = Config(retries={"total_max_attempts": 1, "mode": "standard"})
    return boto3.client(service, config=config, **keys)


def fails(code, call, **arguments):
    """Calls a boto3 method, which must fail with this error code."""
    from botocore.exceptions import ClientError

    try:
        answer = call(**arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return error
    raise AssertionError(f"expected {code}, got {answer}")


def credentials():
    return Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])


def door(method, path, body=None):
    """A signed request to the local cloud's own door."""
    data = b"" if body is None else json.dumps(body).encode()
    request = AWSRequest(method=method, url=f"{ENDPOINT}/_opsconsole/{path}", data=data)
    SigV4Auth(credentials(), "opsconsole", REGION).add_auth(request)
    return http(method, request.url, data, dict(request.headers))[1]


def http(method, url, data=None, headers=None):
    """Status and parsed body of a plain request."""
    request = urllib.request.Request(url, data=data or None, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            status, text = response.status, response.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    try:
        return status, json.loads(text)
    except ValueError:
        return status, text


def until(what, seconds, ask):
    """Asks until the answer is truthy."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.3)
