"""The hooks' decisions, without AWS: python3 -m unittest discover -s infra/modules/codedeploy/hooks."""

import json
import sys
import types
import unittest

sys.modules.setdefault("boto3", types.SimpleNamespace(client=None))

import migrate  # noqa: E402
import validate  # noqa: E402

ENVIRONMENT = {
    "CLUSTER": "shop",
    "CONTAINER": "api",
    "COMMAND": '["opsconsole-api", "migrate"]',
    "SUBNETS": "subnet-a,subnet-b",
    "SECURITY_GROUPS": "sg-a",
}


class Ecs:
    def __init__(self, exit_code, after=2, failures=()):
        self.exit_code, self.after, self.failures, self.asked = exit_code, after, list(failures), None

    def run_task(self, **asked):
        self.asked = asked
        return {"failures": self.failures, "tasks": [] if self.failures else [{"taskArn": "task/1"}]}

    def describe_tasks(self, **_):
        self.after -= 1
        stopped = self.after <= 0
        return {
            "tasks": [
                {
                    "lastStatus": "STOPPED" if stopped else "RUNNING",
                    "stoppedReason": "Essential container exited",
                    "containers": [{"name": "api", "exitCode": self.exit_code if stopped else None}],
                }
            ]
        }


class CodeDeploy:
    def __init__(self):
        self.statuses = []

    def get_deployment(self, **_):
        spec = {"Resources": [{"TargetService": {"Properties": {"TaskDefinition": "api:7"}}}]}
        return {"deploymentInfo": {"revision": {"appSpecContent": {"content": json.dumps(spec)}}}}

    def put_lifecycle_event_hook_execution_status(self, **status):
        self.statuses.append(status["status"])


EVENT = {"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "h-1"}


class Migrate(unittest.TestCase):
    def test_it_runs_the_new_revision_and_waits_for_its_end(self):
        ecs = Ecs(0)
        self.assertEqual(migrate.migrate(ecs, "api:7", ENVIRONMENT, sleep=lambda _: None), "task/1")
        self.assertEqual(ecs.asked["taskDefinition"], "api:7")
        self.assertEqual(ecs.asked["overrides"]["containerOverrides"][0]["command"], ["opsconsole-api", "migrate"])

    def test_a_migration_that_fails_says_why(self):
        with self.assertRaisesRegex(RuntimeError, "ended with 1: Essential container exited"):
            migrate.migrate(Ecs(1), "api:7", ENVIRONMENT, sleep=lambda _: None)

    def test_a_migration_that_does_not_start_says_why(self):
        with self.assertRaisesRegex(RuntimeError, "RESOURCE:MEMORY"):
            migrate.migrate(Ecs(0, failures=[{"reason": "RESOURCE:MEMORY"}]), "api:7", ENVIRONMENT)

    def test_a_migration_that_never_ends_is_given_up(self):
        ticks = iter(range(0, 10_000, 400))
        with self.assertRaisesRegex(RuntimeError, "still ran"):
            migrate.migrate(Ecs(0, after=99), "api:7", ENVIRONMENT, sleep=lambda _: None, clock=lambda: next(ticks))

    def test_the_revision_is_found_in_an_appspec_of_either_kind(self):
        codedeploy = CodeDeploy()
        self.assertEqual(migrate.revision_of(codedeploy, "d-1"), "api:7")
        arn = "arn:aws:ecs:us-east-1:123456789012:task-definition/api:7"
        yaml = f"# TaskDefinition comes below\nResources:\n  - TargetService:\n      Properties:\n        TaskDefinition: {arn}\n        LoadBalancerInfo: {{}}\n"
        codedeploy.get_deployment = lambda **_: {"deploymentInfo": {"revision": {"string": {"content": yaml}}}}
        self.assertEqual(migrate.revision_of(codedeploy, "d-1"), arn)

    def test_codedeploy_hears_of_a_failure(self):
        codedeploy = CodeDeploy()
        codedeploy.get_deployment = lambda **_: {"deploymentInfo": {"revision": {}}}
        self.assertEqual(migrate.handler(EVENT, None, codedeploy=codedeploy, ecs=Ecs(0)), "Failed")
        self.assertEqual(codedeploy.statuses, ["Failed"])


class Validate(unittest.TestCase):
    def test_three_good_answers_in_a_row_pass(self):
        answers = iter([503, 200, 200, 503, 200, 200, 200])
        self.assertTrue(validate.is_well("u", fetch=lambda _: next(answers), sleep=lambda _: None))

    def test_ten_tries_without_three_in_a_row_fail(self):
        answers = iter([200, 200, 503] * 4)
        self.assertFalse(validate.is_well("u", fetch=lambda _: next(answers), sleep=lambda _: None))

    def test_no_answer_is_no_good_answer(self):
        def refuse(_):
            raise ConnectionRefusedError

        self.assertFalse(validate.is_well("u", fetch=refuse, sleep=lambda _: None))


if __name__ == "__main__":
    unittest.main()
