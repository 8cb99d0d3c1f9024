"""Logs, metrics, alarms and objects: what was put in comes out as the documentation says."""

import concurrent.futures
import io
import json
import time
from datetime import datetime, timedelta, timezone

from court import aws, aws_fails, client, fails, until

GROUP = "/judge/patterns"


def judge_all(court):
    court.judge_module([
        live_log_lines_are_found_by_a_json_pattern,
        the_cli_pages_through_a_quarter_of_an_hour,
        a_stream_is_read_from_both_ends,
        groups_streams_and_retention_are_kept,
        filter_patterns_match_the_documented_examples,
        a_pattern_that_is_none_is_refused,
        twelve_thousand_events_come_by_pages_each_once,
        metrics_are_put_and_read_back,
        metric_math_is_computed,
        load_balancer_metrics_come_from_real_requests,
        an_alarm_goes_off_on_real_data_and_says_why,
        a_state_is_set_and_remembered,
        a_lock_is_created_by_one_only,
        a_lock_is_taken_over_and_released_by_its_etag,
        objects_are_copied_and_listed_by_the_cli,
        of_eight_who_create_at_once_one_wins,
    ])


def live_log_lines_are_found_by_a_json_pattern():
    def found():
        return aws(
            "logs", "filter-log-events", "--log-group-name", "/ecs/dev/api", "--filter-pattern",
            '{ $.message = "request" && $.status < 500 }', "--max-items", "2",
        )["events"]

    for event in until("requests are logged", 60, found):
        line = json.loads(event["message"])
        assert line["message"] == "request" and line["status"] < 500, line
        assert len(event["eventId"]) == 56 and event["ingestionTime"], event


def the_cli_pages_through_a_quarter_of_an_hour():
    since = int((time.time() - 900) * 1000)
    text = aws(
        "logs", "filter-log-events", "--log-group-name", "/ecs/dev/api", "--start-time", str(since),
        "--page-size", "7", "--max-items", "30", "--query", "events[].message", raw=True,
    )
    assert '\\"message\\":\\"request\\"' in text, text[:300]


def a_stream_is_read_from_both_ends():
    streams = aws(
        "logs", "describe-log-streams", "--log-group-name", "/ecs/prod/api",
        "--order-by", "LastEventTime", "--descending", "--max-items", "1",
    )["logStreams"]
    name = streams[0]["logStreamName"]
    where = ("--log-group-name", "/ecs/prod/api", "--log-stream-name", name, "--limit", "3")
    tail = aws("logs", "get-log-events", *where)
    before = aws("logs", "get-log-events", *where, "--next-token", tail["nextBackwardToken"])
    assert before["events"][-1]["timestamp"] <= tail["events"][0]["timestamp"]
    head = aws("logs", "get-log-events", *where, "--start-from-head")
    first = aws("logs", "get-log-events", *where, "--next-token", head["nextBackwardToken"])
    assert first["events"] == [] and first["nextBackwardToken"] == head["nextBackwardToken"], first


def put_lines(stream, lines, group=GROUP):
    logs = client("logs")
    logs.create_log_stream(logGroupName=group, logStreamName=stream)
    now = int(time.time() * 1000) - len(lines)
    for begin in range(0, len(lines), 10_000):
        logs.put_log_events(
            logGroupName=group,
            logStreamName=stream,
            logEvents=[
                {"timestamp": now + begin + i, "message": line}
                for i, line in enumerate(lines[begin : begin + 10_000])
            ],
        )


def groups_streams_and_retention_are_kept():
    aws("logs", "create-log-group", "--log-group-name", GROUP)
    aws_fails("ResourceAlreadyExistsException", "logs", "create-log-group", "--log-group-name", GROUP)
    aws("logs", "put-retention-policy", "--log-group-name", GROUP, "--retention-in-days", "7")
    groups = aws("logs", "describe-log-groups", "--log-group-name-prefix", "/judge")["logGroups"]
    assert groups[0]["retentionInDays"] == 7, groups
    put_lines("one", ["café", "x" * 200_000])
    streams = aws("logs", "describe-log-streams", "--log-group-name", GROUP)["logStreams"]
    assert streams[0]["logStreamName"] == "one" and streams[0]["lastEventTimestamp"], streams
    aws_fails("ResourceNotFoundException", "logs", "filter-log-events", "--log-group-name", "/no")


TERMS = [
    "[ERROR 400] BAD REQUEST",
    "[ERROR 401] UNAUTHORIZED REQUEST",
    "[ERROR 419] MISSING ARGUMENTS",
    "[ERROR 420] INVALID ARGUMENTS",
    "[ERROR 500] INTERNAL SERVER ERROR",
    "[SUCCESS 200] AUTHORIZED REQUEST",
]
TRAIL = json.dumps({
    "eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111",
    "arrayKey": ["value", "another value"], "objectList": [{"id": 1}, {"id": 2}],
    "SomeObject": None, "bandwidth": 74.5, "user": {"id": 1},
})
ACCESS = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'

# Pattern, and the places of the lines that it matches in TERMS + [TRAIL, ACCESS].
PATTERNS = {
    "ERROR": [0, 1, 2, 3, 4],
    "ERROR ARGUMENTS": [2, 3],
    "?MISSING ?INTERNAL": [2, 4],
    "?MISSING ?INTERNAL REQUEST": [0, 1, 5],
    '"INTERNAL SERVER ERROR"': [4],
    "ERROR -ARGUMENTS": [0, 1, 4],
    "%AUTHORIZED%": [1, 5],
    '{ $.eventType = "UpdateTrail" }': [6],
    "{ $.eventType = Update* }": [6],
    "{ $.sourceIPAddress != 123.123.* }": [6],
    '{ $.arrayKey[0] = "value" && $.objectList[1].id = 2 }': [6],
    "{ $.SomeObject IS NULL && $.Other NOT EXISTS }": [6],
    "{ ($.user.id = 2 || $.bandwidth > 74) && $.user EXISTS }": [6],
    "{ $.bandwidth > 75 }": [],
    "[ip, user, username, timestamp, request = *.html*, status_code = 4*, bytes > 1000]": [7],
    "[..., status_code = 5*, bytes]": [],
}


def filter_patterns_match_the_documented_examples():
    lines = [*TERMS, TRAIL, ACCESS]
    put_lines("patterns", lines)
    logs = client("logs")
    for pattern, places in PATTERNS.items():
        found = logs.filter_log_events(
            logGroupName=GROUP, logStreamNames=["patterns"], filterPattern=pattern
        )["events"]
        assert [e["message"] for e in found] == [lines[p] for p in places], (pattern, found)


def a_pattern_that_is_none_is_refused():
    for pattern in ("foo-bar", "{ $.a = }", "[a", "%(x)%"):
        error = fails(
            "InvalidParameterException", client("logs").filter_log_events,
            logGroupName=GROUP, filterPattern=pattern,
        )
    assert "Invalid character(s) in term" in str(error), error


def twelve_thousand_events_come_by_pages_each_once():
    put_lines("many", [f"line {i}" for i in range(12_000)])
    pages = client("logs").get_paginator("filter_log_events").paginate(
        logGroupName=GROUP, logStreamNamePrefix="many"
    )
    events = [event for page in pages for event in page["events"]]
    assert [event["message"] for event in events] == [f"line {i}" for i in range(12_000)]
    assert len({event["eventId"] for event in events}) == 12_000


def hour_ago():
    return datetime.now(timezone.utc) - timedelta(hours=1)


def soon():
    return datetime.now(timezone.utc) + timedelta(minutes=1)


def metrics_are_put_and_read_back():
    aws(
        "cloudwatch", "put-metric-data", "--namespace", "Judge", "--metric-name", "Size",
        "--dimensions", "Room=a", "--value", "4",
    )
    cloudwatch = client("cloudwatch")
    cloudwatch.put_metric_data(
        Namespace="Judge",
        MetricData=[{
            "MetricName": "Size", "Dimensions": [{"Name": "Room", "Value": "a"}],
            "Values": [float(v) for v in range(1, 100)], "Counts": [1.0] * 99,
        }],
    )
    listed = aws("cloudwatch", "list-metrics", "--namespace", "Judge")["Metrics"]
    assert listed[0]["Dimensions"] == [{"Name": "Room", "Value": "a"}], listed
    got = cloudwatch.get_metric_statistics(
        Namespace="Judge", MetricName="Size", Dimensions=[{"Name": "Room", "Value": "a"}],
        StartTime=hour_ago(), EndTime=soon(), Period=7200,
        Statistics=["Sum", "SampleCount", "Maximum"], ExtendedStatistics=["p50"],
    )["Datapoints"]
    assert sum(p["Sum"] for p in got) == 4954 and sum(p["SampleCount"] for p in got) == 100, got
    assert 49 <= got[0]["ExtendedStatistics"]["p50"] <= 51, got


def data(*queries, **more):
    return client("cloudwatch").get_metric_data(
        MetricDataQueries=list(queries), StartTime=hour_ago(), EndTime=soon(), **more
    )["MetricDataResults"]


def stat(name, metric, namespace="Judge", dimensions=(), statistic="Sum", period=60, **more):
    return {
        "Id": name,
        "MetricStat": {
            "Metric": {
                "Namespace": namespace, "MetricName": metric,
                "Dimensions": [{"Name": n, "Value": v} for n, v in dimensions],
            },
            "Period": period, "Stat": statistic,
        },
        **more,
    }


def metric_math_is_computed():
    cloudwatch = client("cloudwatch")
    at = datetime.now(timezone.utc) - timedelta(minutes=10)
    for name, value in (("Errors", 5.0), ("All", 50.0)):
        cloudwatch.put_metric_data(
            Namespace="Judge", MetricData=[{"MetricName": name, "Value": value, "Timestamp": at}]
        )
    results = data(
        stat("e", "Errors", ReturnData=False),
        stat("a", "All", ReturnData=False),
        {"Id": "rate", "Expression": "100 * FILL(e, 0) / a", "Label": "error rate"},
    )
    assert [(r["Id"], r["Label"], r["Values"]) for r in results] == [("rate", "error rate", [10.0])]
    fails(
        "ValidationError", cloudwatch.get_metric_data, StartTime=hour_ago(), EndTime=soon(),
        MetricDataQueries=[{"Id": "x", "Expression": "nobody + 1"}],
    )


def load_balancer_metrics_come_from_real_requests():
    metrics = client("cloudwatch").list_metrics(
        Namespace="AWS/ApplicationELB", MetricName="RequestCount"
    )["Metrics"]
    dimensions = [
        [(d["Name"], d["Value"]) for d in m["Dimensions"]]
        for m in metrics
        if len(m["Dimensions"]) == 1 and "/prod/" in m["Dimensions"][0]["Value"]
    ]
    assert dimensions, metrics
    count, p95 = data(
        stat("n", "RequestCount", "AWS/ApplicationELB", dimensions[0]),
        stat("p", "TargetResponseTime", "AWS/ApplicationELB", dimensions[0], statistic="p95"),
    )
    assert sum(count["Values"]) > 10, count
    assert 0 < max(p95["Values"]) < 5, p95


def an_alarm_goes_off_on_real_data_and_says_why():
    cloudwatch = client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="judge-heat", Namespace="Judge", MetricName="Heat", Statistic="Maximum",
        Period=10, EvaluationPeriods=1, Threshold=5, ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )

    def alarmed():
        cloudwatch.put_metric_data(
            Namespace="Judge", MetricData=[{"MetricName": "Heat", "Value": 8.0}]
        )
        alarm = cloudwatch.describe_alarms(AlarmNames=["judge-heat"])["MetricAlarms"][0]
        return alarm["StateValue"] == "ALARM" and alarm

    reason = until("the alarm goes off", 40, alarmed)["StateReason"]
    assert reason.startswith("Threshold Crossed: 1 out of the last 1 datapoints [8.0 ("), reason
    assert "was greater than the threshold (5.0) (minimum 1 datapoint for OK -> ALARM" in reason


def a_state_is_set_and_remembered():
    # Of a metric that nobody puts, with missing data ignored: nothing takes the state back.
    name = ("--alarm-name", "judge-drill")
    aws(
        "cloudwatch", "put-metric-alarm", *name, "--namespace", "Judge", "--metric-name", "None",
        "--statistic", "Sum", "--period", "60", "--evaluation-periods", "1", "--threshold", "1",
        "--comparison-operator", "GreaterThanThreshold", "--treat-missing-data", "ignore",
    )
    aws("cloudwatch", "set-alarm-state", *name, "--state-value", "ALARM", "--state-reason", "drill")
    alarms = aws("cloudwatch", "describe-alarms", "--alarm-name-prefix", "judge-d")["MetricAlarms"]
    assert (alarms[0]["StateValue"], alarms[0]["StateReason"]) == ("ALARM", "drill"), alarms
    history = aws("cloudwatch", "describe-alarm-history", *name)["AlarmHistoryItems"]
    assert "Alarm updated from INSUFFICIENT_DATA to ALARM" in {h["HistorySummary"] for h in history}
    aws("cloudwatch", "delete-alarms", "--alarm-names", "judge-drill", "judge-heat")
    aws_fails(
        "ResourceNotFound", "cloudwatch", "set-alarm-state", *name, "--state-value", "OK",
        "--state-reason", "gone",
    )


def a_lock_is_created_by_one_only():
    aws("s3api", "create-bucket", "--bucket", "judge-locks")
    aws("s3api", "head-bucket", "--bucket", "judge-locks")
    with open("lock.json", "w", encoding="utf-8") as file:
        file.write('{"owner": "judge"}')
    put = ("s3api", "put-object", "--bucket", "judge-locks", "--key", "prod", "--body", "lock.json")
    aws(*put, "--if-none-match", "*")
    aws_fails("PreconditionFailed", *put, "--if-none-match", "*")


def a_lock_is_taken_over_and_released_by_its_etag():
    s3 = client("s3")
    held = s3.get_object(Bucket="judge-locks", Key="prod")
    assert json.loads(held["Body"].read()) == {"owner": "judge"}
    place = {"Bucket": "judge-locks", "Key": "prod"}
    taken = s3.put_object(**place, Body=b"mine", IfMatch=held["ETag"])
    assert taken["ETag"] != held["ETag"]
    fails("PreconditionFailed", s3.put_object, **place, Body=b"no", IfMatch=held["ETag"])
    fails("PreconditionFailed", s3.delete_object, **place, IfMatch=held["ETag"])
    s3.delete_object(**place, IfMatch=taken["ETag"])
    fails("NoSuchKey", s3.get_object, **place)
    fails("404", s3.head_object, **place)
    fails("NoSuchBucket", s3.list_objects_v2, Bucket="judge-no-such")


def objects_are_copied_and_listed_by_the_cli():
    aws("s3", "cp", "lock.json", "s3://judge-locks/deep/name with space+é.json", raw=True)
    listing = aws("s3", "ls", "s3://judge-locks/", raw=True)
    assert "PRE deep/" in listing, listing
    back = aws("s3", "cp", "s3://judge-locks/deep/name with space+é.json", "-", raw=True)
    assert back == '{"owner": "judge"}', back
    s3 = client("s3")
    s3.upload_fileobj(io.BytesIO(b"y" * 100_000), "judge-locks", "deep/large")
    keys = [o["Key"] for o in s3.list_objects_v2(Bucket="judge-locks", MaxKeys=1)["Contents"]]
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket="judge-locks", Prefix="deep/", PaginationConfig={"PageSize": 1}
    )
    assert len([o for page in pages for o in page["Contents"]]) == 2 and len(keys) == 1, keys


def of_eight_who_create_at_once_one_wins():
    def create(number):
        try:
            client("s3").put_object(
                Bucket="judge-locks", Key="race", Body=str(number).encode(), IfNoneMatch="*"
            )
            return True
        except Exception as error:  # noqa: BLE001 - the losers' errors are looked at
            assert "PreconditionFailed" in str(error), error
            return False

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        wins = sum(pool.map(create, range(8)))
    assert wins == 1, wins
