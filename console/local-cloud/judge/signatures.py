"""Who is let in and who is not, and the faults that a client must live through."""

import os
import time

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import ClientError, EndpointConnectionError, ConnectionClosedError
import botocore.auth
import botocore.compat

from court import (
    ENDPOINT, REGION, CliError, aws, aws_fails, client, credentials, door, fails, http, until,
)

OTHER_SECRET = {"AWS_SECRET_ACCESS_KEY": "x" * 40}
OTHER_KEY = {"AWS_ACCESS_KEY_ID": "AKIAAAAAAAAAAAAAAAAA"}


def judge_all(court):
    court.judge_module([
        unsigned_requests_are_refused_in_each_protocols_words,
        a_wrong_secret_is_refused_in_each_protocols_words,
        an_unknown_key_is_refused_in_each_protocols_words,
        a_request_changed_on_the_way_is_refused,
        a_clock_ten_minutes_off_is_refused,
        the_door_is_signed_too,
    ])


def judge_faults(court):
    court.judge_module([
        throttling_is_the_services_own_and_the_cli_retries,
        expired_credentials_are_said_and_pass,
        a_denied_action_names_itself,
        an_empty_page_has_a_token,
        late_events_come_after_prompt_ones,
        a_second_writer_comes_first,
        the_control_plane_goes_and_comes_back_while_tasks_go_on,
    ])


def unsigned_requests_are_refused_in_each_protocols_words():
    form = {"content-type": "application/x-www-form-urlencoded"}
    status, body = http("POST", ENDPOINT, b"Action=GetCallerIdentity&Version=2011-06-15", form)
    assert status == 403 and b"<Code>MissingAuthenticationToken</Code>" in body, body
    target = {"x-amz-target": "AmazonEC2ContainerServiceV20141113.ListClusters"}
    status, body = http("POST", ENDPOINT, b"{}", target)
    assert status == 400 and body["__type"] == "MissingAuthenticationTokenException", body
    status, body = http("GET", f"{ENDPOINT}/opsconsole-locks/prod")
    assert status == 403 and b"<Code>AccessDenied</Code>" in body, body
    rpc = f"{ENDPOINT}/service/GraniteServiceVersion20100801/operation/DescribeAlarms"
    status, body = http("POST", rpc, b"\xa0", {"smithy-protocol": "rpc-v2-cbor"})
    assert status == 400 and b"MissingAuthenticationTokenException" in body, body


def a_wrong_secret_is_refused_in_each_protocols_words():
    aws_fails("InvalidSignatureException", "ecs", "list-clusters", env=OTHER_SECRET)
    aws_fails("InvalidSignatureException", "cloudwatch", "describe-alarms", env=OTHER_SECRET)
    aws_fails("SignatureDoesNotMatch", "sts", "get-caller-identity", env=OTHER_SECRET)
    aws_fails("SignatureDoesNotMatch", "s3api", "list-buckets", env=OTHER_SECRET)


def an_unknown_key_is_refused_in_each_protocols_words():
    aws_fails("UnrecognizedClientException", "logs", "describe-log-groups", env=OTHER_KEY)
    aws_fails("InvalidClientTokenId", "elbv2", "describe-load-balancers", env=OTHER_KEY)
    aws_fails("InvalidAccessKeyId", "s3api", "list-buckets", env=OTHER_KEY)


def signed(body, service="ecs"):
    request = AWSRequest(
        method="POST", url=ENDPOINT, data=body,
        headers={
            "content-type": "application/x-amz-json-1.1",
            "x-amz-target": "AmazonEC2ContainerServiceV20141113.ListClusters",
        },
    )
    SigV4Auth(credentials(), service, REGION).add_auth(request)
    return dict(request.headers)


def a_request_changed_on_the_way_is_refused():
    headers = signed(b"{}")
    assert http("POST", ENDPOINT, b"{}", headers)[0] == 200
    status, body = http("POST", ENDPOINT, b'{"maxResults": 1}', headers)
    assert status == 400 and body["__type"] == "InvalidSignatureException", body


def a_clock_ten_minutes_off_is_refused():
    import datetime

    class TenMinutesAgo(SigV4Auth):
        def add_auth(self, request):
            honest = botocore.auth.get_current_datetime
            botocore.auth.get_current_datetime = lambda *a, **k: honest(
                *a, **k
            ) - datetime.timedelta(minutes=10)
            try:
                super().add_auth(request)
            finally:
                botocore.auth.get_current_datetime = honest

    request = AWSRequest(
        method="POST", url=ENDPOINT, data=b"{}",
        headers={"x-amz-target": "AmazonEC2ContainerServiceV20141113.ListClusters"},
    )
    TenMinutesAgo(credentials(), "ecs", REGION).add_auth(request)
    status, body = http("POST", ENDPOINT, b"{}", dict(request.headers))
    assert status == 400 and "Signature expired" in body["message"], body


def the_door_is_signed_too():
    status, body = http("GET", f"{ENDPOINT}/_opsconsole/faults")
    assert status == 400 and body["__type"] == "MissingAuthenticationTokenException", body
    assert door("GET", "faults") == {"faults": []}
    assert door("POST", "faults", {"kind": "no-such"})["__type"] == "ValidationException"


def throttling_is_the_services_own_and_the_cli_retries():
    throttle = {"kind": "throttle", "service": "ecs", "operation": "ListServices", "count": 1}
    door("POST", "faults", throttle)
    error = fails("ThrottlingException", client("ecs").list_services, cluster="dev")
    assert "Rate exceeded" in str(error), error
    door("POST", "faults", throttle)
    assert aws("ecs", "list-services", "--cluster", "dev")["serviceArns"]


def expired_credentials_are_said_and_pass():
    door("POST", "faults", {"kind": "expired-credentials", "count": 2})
    fails("ExpiredTokenException", client("ecs").list_clusters)
    fails("ExpiredToken", client("sts").get_caller_identity)
    client("ecs").list_clusters()


def a_denied_action_names_itself():
    door("POST", "faults", {"kind": "deny", "service": "ecr", "count": 1})
    error = fails("AccessDeniedException", client("ecr").describe_repositories)
    assert "is not authorized to perform: ecr:DescribeRepositories" in str(error), error


def an_empty_page_has_a_token():
    door("POST", "faults", {"kind": "empty-pages", "count": 1})
    page = client("logs").filter_log_events(logGroupName="/ecs/prod/api")
    assert page["events"] == [] and page["nextToken"], page
    token = page["nextToken"]
    assert client("logs").filter_log_events(logGroupName="/ecs/prod/api", nextToken=token)["events"]


def late_events_come_after_prompt_ones():
    logs = client("logs")
    logs.create_log_group(logGroupName="/judge/late")
    logs.create_log_stream(logGroupName="/judge/late", logStreamName="s")
    where = {"logGroupName": "/judge/late", "logStreamName": "s"}
    at = int(time.time() * 1000)
    door("POST", "faults", {"kind": "late-events", "value": 1500, "percent": 100})
    logs.put_log_events(**where, logEvents=[{"timestamp": at, "message": "late"}])
    door("DELETE", "faults")
    logs.put_log_events(**where, logEvents=[{"timestamp": at + 1, "message": "prompt"}])

    def messages():
        found = logs.filter_log_events(logGroupName="/judge/late")["events"]
        return [event["message"] for event in found]

    assert messages() == ["prompt"]
    until("the late event comes", 10, lambda: messages() == ["late", "prompt"])


def a_second_writer_comes_first():
    ecs = client("ecs")
    before = ecs.describe_services(cluster="dev", services=["api"])["services"][0]["deployments"]
    door("POST", "faults", {
        "kind": "second-writer", "service": "ecs", "operation": "DescribeServices", "count": 1,
        "value": {"cluster": "dev", "service": "api", "forceNewDeployment": True},
    })
    after = ecs.describe_services(cluster="dev", services=["api"])["services"][0]["deployments"]
    primary = [next(d["id"] for d in ds if d["status"] == "PRIMARY") for ds in (before, after)]
    assert primary[0] != primary[1], primary


def the_control_plane_goes_and_comes_back_while_tasks_go_on():
    balancers = client("elbv2")
    balancer = balancers.describe_load_balancers(Names=["prod"])["LoadBalancers"][0]
    listener = balancers.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])
    url = f"http://{balancer['DNSName']}:{listener['Listeners'][0]['Port']}"
    door("POST", "faults", {"kind": "blackout", "durationMs": 2000})
    try:
        client("ecs").list_clusters()
        raise AssertionError("the control plane answered in a blackout")
    except (ConnectionClosedError, EndpointConnectionError):
        pass
    assert http("GET", f"{url}/")[0] == 200, "the tasks go on"

    def back():
        try:
            return client("ecs").list_clusters()["clusterArns"]
        except (ConnectionClosedError, EndpointConnectionError):
            return None

    until("the control plane is back", 10, back)
