"""A deployment watched to its end with the CLI's own waiter, and one that the breaker ends."""

import threading
import time
import urllib.request

from court import aws, aws_fails, client, until

SERVICE = ("--cluster", "dev", "--service", "api")


def judge_all(court):
    court.judge(a_deployment_is_watched_to_the_end_and_no_request_fails)
    court.judge(the_breaker_takes_a_crashing_release_back)
    court.judge(a_one_off_task_runs_and_stops)


def service():
    services = aws("ecs", "describe-services", "--cluster", "dev", "--services", "api")
    return services["services"][0]


def environment_url():
    balancer = aws("elbv2", "describe-load-balancers", "--names", "dev")["LoadBalancers"][0]
    listeners = aws(
        "elbv2", "describe-listeners", "--load-balancer-arn", balancer["LoadBalancerArn"]
    )["Listeners"]
    return f"http://{balancer['DNSName']}:{listeners[0]['Port']}"


def register(tag):
    """The running task definition again, with only the image changed."""
    ecs = client("ecs")
    running = service()["taskDefinition"]
    definition = ecs.describe_task_definition(taskDefinition=running)["taskDefinition"]
    given = {
        member: definition[member]
        for member in (
            "family", "containerDefinitions", "cpu", "memory", "networkMode",
            "requiresCompatibilities", "runtimePlatform", "executionRoleArn", "taskRoleArn",
        )
        if member in definition
    }
    container = given["containerDefinitions"][0]
    repository = container["image"].split("@")[0].rsplit(":", 1)[0]
    container["image"] = f"{repository}:{tag}"
    return ecs.register_task_definition(**given)["taskDefinition"]["taskDefinitionArn"]


def the_first_world_becomes_steady():
    ecs = client("ecs")

    def steady():
        found = ecs.describe_services(cluster="dev", services=["api"])["services"]
        return found and len(found[0]["deployments"]) == 1 and (
            found[0]["deployments"][0]["rolloutState"] == "COMPLETED"
            and found[0]["runningCount"] == found[0]["desiredCount"] == 2
        )

    until("dev/api is steady", 90, steady)


class Visitor(threading.Thread):
    """Asks the environment again and again, and counts what was not answered well."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.url = url
        self.enough = threading.Event()
        self.asked = 0
        self.failed = []

    def run(self):
        while not self.enough.wait(0.02):
            self.asked += 1
            try:
                urllib.request.urlopen(f"{self.url}/items", timeout=10).read()
            except OSError as error:
                self.failed.append(str(error))


def a_deployment_is_watched_to_the_end_and_no_request_fails():
    url = environment_url()
    visitor = Visitor(url)
    visitor.start()
    arn = register("1.4.1")
    updated = aws("ecs", "update-service", *SERVICE, "--task-definition", arn)["service"]
    ours = next(d for d in updated["deployments"] if d["status"] == "PRIMARY")
    assert ours["taskDefinition"] == arn and ours["rolloutState"] == "IN_PROGRESS", ours
    aws("ecs", "wait", "services-stable", "--cluster", "dev", "--services", "api", raw=True)
    after = service()
    assert [d["id"] for d in after["deployments"]] == [ours["id"]], after["deployments"]
    until(
        "our service deployment is SUCCESSFUL",
        30,
        lambda: client("ecs").list_service_deployments(
            cluster="dev", service="api", status=["SUCCESSFUL"]
        )["serviceDeployments"][0]["targetServiceRevisionArn"],
    )
    visitor.enough.set()
    visitor.join()
    assert visitor.asked > 50 and not visitor.failed, (visitor.asked, visitor.failed[:3])
    version = urllib.request.urlopen(f"{url}/version", timeout=10).read().decode()
    assert "1.4.1" in version, version
    events = [event["message"] for event in after["events"]]
    assert any("has reached a steady state." in event for event in events), events[:3]


def the_breaker_takes_a_crashing_release_back():
    before = service()["taskDefinition"]
    begin = time.time()
    aws("ecs", "update-service", *SERVICE, "--task-definition", register("1.5.1"))
    ecs = client("ecs")

    def ended():
        newest = ecs.list_service_deployments(cluster="dev", service="api")["serviceDeployments"]
        newest = max(newest, key=lambda d: d["createdAt"])
        return newest["status"] == "ROLLBACK_SUCCESSFUL" and newest

    ended = until("the deployment is rolled back", 100, ended)
    described = aws(
        "ecs", "describe-service-deployments",
        "--service-deployment-arns", ended["serviceDeploymentArn"],
    )["serviceDeployments"][0]
    assert described["deploymentCircuitBreaker"]["status"] == "TRIGGERED", described
    assert service()["taskDefinition"] == before
    assert time.time() - begin < 100


def a_one_off_task_runs_and_stops():
    definition = service()["taskDefinition"]
    started = aws(
        "ecs", "run-task", "--cluster", "dev", "--task-definition", definition, "--count", "1"
    )
    assert not started["failures"], started
    arn = started["tasks"][0]["taskArn"]
    aws("ecs", "stop-task", "--cluster", "dev", "--task", arn, "--reason", "the judge is done")
    aws("ecs", "wait", "tasks-stopped", "--cluster", "dev", "--tasks", arn, raw=True)
    task = aws("ecs", "describe-tasks", "--cluster", "dev", "--tasks", arn)["tasks"][0]
    assert task["stoppedReason"] == "the judge is done", task["stoppedReason"]
    aws_fails(
        "ClusterNotFoundException", "ecs", "list-tasks", "--cluster", "nowhere"
    )
