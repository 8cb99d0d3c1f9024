"""CodeDeploy hook BeforeInstall: runs the database migrations of the revision that is about to be deployed.

A migration that fails stops the deployment before a single new task has started.
"""

import json
import os
import re
import time

import boto3

# Lambda ends the function after 15 minutes; the answer must be out before.
DEADLINE_S = 840
POLL_S = 5


# An AppSpec is YAML or JSON, and the runtime has no YAML parser: the one key that matters is found in either.
TASK_DEFINITION = re.compile(r"""^[\s{,]*"?TaskDefinition"?\s*:\s*"?([^"\s,}]+)""", re.M)


def revision_of(codedeploy, deployment_id):
    """The task definition that the deployment's AppSpec names."""
    revision = codedeploy.get_deployment(deploymentId=deployment_id)["deploymentInfo"]["revision"]
    text = (revision.get("appSpecContent") or revision.get("string") or {}).get("content", "")
    found = TASK_DEFINITION.search(text) or re.search(r'"TaskDefinition"\s*:\s*"([^"]+)"', text)
    if not found:
        raise RuntimeError(f"{deployment_id} carries no AppSpec that names a TaskDefinition; deploy with an inline AppSpec")
    return found[1]


def migrate(ecs, task_definition, environment, sleep=time.sleep, clock=time.monotonic):
    """Runs one task with the migration command and waits; raises with the reason if it does not end with 0."""
    cluster = environment["CLUSTER"]
    answer = ecs.run_task(
        cluster=cluster,
        taskDefinition=task_definition,
        launchType="FARGATE",
        startedBy="codedeploy-migrate",
        networkConfiguration={
            "awsvpcConfiguration": {
                "subnets": environment["SUBNETS"].split(","),
                "securityGroups": environment["SECURITY_GROUPS"].split(","),
                "assignPublicIp": "DISABLED",
            }
        },
        overrides={
            "containerOverrides": [
                {"name": environment["CONTAINER"], "command": json.loads(environment["COMMAND"])}
            ]
        },
    )
    if answer.get("failures"):
        raise RuntimeError(f"the migration did not start: {answer['failures'][0].get('reason', 'no reason given')}")
    arn = answer["tasks"][0]["taskArn"]
    deadline = clock() + DEADLINE_S
    while clock() < deadline:
        task = ecs.describe_tasks(cluster=cluster, tasks=[arn])["tasks"][0]
        if task["lastStatus"] == "STOPPED":
            container = next(c for c in task["containers"] if c["name"] == environment["CONTAINER"])
            if container.get("exitCode") == 0:
                return arn
            why = container.get("reason") or task.get("stoppedReason") or "see its log"
            raise RuntimeError(f"{arn} ended with {container.get('exitCode')}: {why}")
        sleep(POLL_S)
    raise RuntimeError(f"{arn} still ran after {DEADLINE_S} s")


def handler(event, _context, codedeploy=None, ecs=None):
    codedeploy = codedeploy or boto3.client("codedeploy")
    ecs = ecs or boto3.client("ecs")
    status = "Succeeded"
    try:
        revision = revision_of(codedeploy, event["DeploymentId"])
        print(json.dumps({"level": "info", "migrated": migrate(ecs, revision, os.environ), "revision": revision}))
    except Exception as error:  # whatever it is, CodeDeploy must hear of it, or it waits an hour
        print(json.dumps({"level": "error", "error": str(error)}))
        status = "Failed"
    codedeploy.put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status=status,
    )
    return status
