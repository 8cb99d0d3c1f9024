"""CodeDeploy hook AfterAllowTestTraffic: asks the new tasks, on the test listener, whether they are well.

Ten tries; three good answers in a row pass. Anything else stops the deployment before a user reaches the new tasks.
"""

import json
import os
import time
import urllib.request

TRIES = 10
NEEDED = 3
WAIT_S = 5


def fetch(url):
    with urllib.request.urlopen(url, timeout=5) as answer:  # the URL is Terraform's, not a caller's
        return answer.status


def is_well(url, fetch=fetch, sleep=time.sleep):
    """True after NEEDED answers of 200 in a row, False after TRIES without."""
    good = 0
    for _ in range(TRIES):
        try:
            good = good + 1 if fetch(url) == 200 else 0
        except OSError as error:
            print(json.dumps({"level": "warn", "url": url, "error": str(error)}))
            good = 0
        if good == NEEDED:
            return True
        sleep(WAIT_S)
    return False


def handler(event, _context, codedeploy=None):
    if codedeploy is None:
        import boto3

        codedeploy = boto3.client("codedeploy")
    status = "Succeeded" if is_well(os.environ["TEST_URL"]) else "Failed"
    print(json.dumps({"level": "info", "validated": status}))
    codedeploy.put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status=status,
    )
    return status
