"""ECS, ECR, ELB v2 and STS as the aws CLI reads them."""

import base64
import hashlib
import json
import urllib.request

from court import aws, aws_fails, client, door, fails

REPOSITORY = ("--repository-name", "opsconsole-api")


def judge_all(court):
    court.judge_module([
        the_caller_is_known,
        a_role_is_assumed_and_its_keys_sign,
        clusters_and_services_are_there,
        tasks_have_addresses_health_and_an_image_digest,
        task_definitions_are_listed_by_pages,
        a_missing_service_is_a_failure_and_a_missing_cluster_an_error,
        an_action_that_is_not_offered_is_unknown,
        every_release_is_an_image_with_its_facts,
        an_images_digests_are_true_down_to_its_config,
        an_image_is_pushed_under_another_tag_and_deleted,
        images_that_are_not_there_are_not_found,
        load_balancers_lead_to_healthy_targets,
        reading_leaves_no_mutation_in_the_journal,
    ])


def the_caller_is_known():
    caller = aws("sts", "get-caller-identity")
    assert caller["Account"] == "123456789012", caller
    assert caller["Arn"].startswith("arn:aws:iam::123456789012:user/"), caller


def a_role_is_assumed_and_its_keys_sign():
    role = "arn:aws:iam::123456789012:role/deployer"
    given = aws("sts", "assume-role", "--role-arn", role, "--role-session-name", "judge")
    keys = given["Credentials"]
    env = {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }
    caller = aws("sts", "get-caller-identity", env=env)
    assert caller["Arn"] == "arn:aws:sts::123456789012:assumed-role/deployer/judge", caller
    aws("ecs", "list-clusters", env=env)
    wrong = dict(env, AWS_SESSION_TOKEN="another")
    aws_fails("InvalidSignatureException", "ecs", "list-clusters", env=wrong)


def clusters_and_services_are_there():
    arns = aws("ecs", "list-clusters")["clusterArns"]
    names = {arn.rsplit("/", 1)[1] for arn in arns}
    assert {"dev", "staging", "prod"} <= names, names
    described = aws("ecs", "describe-clusters", "--clusters", "dev", "prod")["clusters"]
    assert all(cluster["status"] == "ACTIVE" for cluster in described), described
    services = aws("ecs", "list-services", "--cluster", "prod")["serviceArns"]
    assert services[0].endswith(":service/prod/api"), services
    described = aws("ecs", "describe-services", "--cluster", "prod", "--services", "api")
    service = described["services"][0]
    assert service["desiredCount"] == 4, service["desiredCount"]
    breaker = service["deploymentConfiguration"]["deploymentCircuitBreaker"]
    assert breaker["enable"] is True and breaker["rollback"] is True, breaker


def tasks_have_addresses_health_and_an_image_digest():
    arns = aws("ecs", "list-tasks", "--cluster", "staging")["taskArns"]
    tasks = aws("ecs", "describe-tasks", "--cluster", "staging", "--tasks", *arns)["tasks"]
    assert tasks, "staging runs tasks"
    for task in tasks:
        container = task["containers"][0]
        assert container["imageDigest"].startswith("sha256:"), container
        assert task["lastStatus"] in ("PROVISIONING", "PENDING", "RUNNING"), task["lastStatus"]


def task_definitions_are_listed_by_pages():
    paginator = client("ecs").get_paginator("list_task_definitions")
    pages = list(paginator.paginate(PaginationConfig={"PageSize": 1}))
    arns = [arn for page in pages for arn in page["taskDefinitionArns"]]
    assert len(arns) >= 3 and len(pages) >= 3 and len(set(arns)) == len(arns), arns
    described = aws(
        "ecs", "describe-task-definition", "--task-definition", "api-prod", "--include", "TAGS"
    )["taskDefinition"]
    assert (described["cpu"], described["memory"]) == ("1024", "2048"), described["cpu"]


def a_missing_service_is_a_failure_and_a_missing_cluster_an_error():
    missing = aws("ecs", "describe-services", "--cluster", "dev", "--services", "nothing")
    assert missing["failures"][0]["reason"] == "MISSING", missing
    aws_fails(
        "ClusterNotFoundException", "ecs", "describe-services", "--cluster", "no", "--services", "a"
    )


def an_action_that_is_not_offered_is_unknown():
    aws_fails("UnknownOperationException", "ecr", "describe-registry")
    aws_fails("UnknownOperationException", "logs", "describe-destinations")
    aws_fails("UnknownOperationException", "ecs", "list-attributes", "--target-type", "container-instance")
    aws_fails("InvalidAction", "elbv2", "describe-ssl-policies")
    aws_fails("InvalidAction", "sts", "get-session-token")


def every_release_is_an_image_with_its_facts():
    images = aws("ecr", "describe-images", *REPOSITORY)["imageDetails"]
    tags = {tag for image in images for tag in image.get("imageTags", [])}
    releases = {"1.3.0", "1.4.0", "1.4.1", "1.5.0", "1.5.1", "1.6.0", "1.6.1", "1.6.2", "1.7.0"}
    assert releases <= tags, tags
    for image in images:
        assert image["imageSizeInBytes"] > 0 and image["imagePushedAt"], image
    assert len({image["imageDigest"] for image in images}) == len(images)
    repository = aws("ecr", "describe-repositories")["repositories"][0]
    assert repository["repositoryUri"].endswith(".amazonaws.com/opsconsole-api"), repository
    token = aws("ecr", "get-authorization-token")["authorizationData"][0]["authorizationToken"]
    assert base64.b64decode(token).startswith(b"AWS:")


def manifest_of(tag):
    got = aws("ecr", "batch-get-image", *REPOSITORY, "--image-ids", f"imageTag={tag}")
    return got["images"][0]


def an_images_digests_are_true_down_to_its_config():
    image = manifest_of("1.5.0")
    manifest = image["imageManifest"]
    digest = "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()
    assert image["imageId"]["imageDigest"] == digest, image["imageId"]
    config = json.loads(manifest)["config"]["digest"]
    link = aws("ecr", "get-download-url-for-layer", *REPOSITORY, "--layer-digest", config)
    blob = urllib.request.urlopen(link["downloadUrl"], timeout=10).read()
    assert "sha256:" + hashlib.sha256(blob).hexdigest() == config
    assert json.loads(blob)["architecture"] == "amd64"


def an_image_is_pushed_under_another_tag_and_deleted():
    image = manifest_of("1.3.0")
    put = client("ecr").put_image(
        repositoryName="opsconsole-api", imageManifest=image["imageManifest"], imageTag="judged"
    )
    assert put["image"]["imageId"]["imageDigest"] == image["imageId"]["imageDigest"]
    listed = aws("ecr", "list-images", *REPOSITORY)["imageIds"]
    assert any(entry.get("imageTag") == "judged" for entry in listed), listed
    aws("ecr", "batch-delete-image", *REPOSITORY, "--image-ids", "imageTag=judged")
    still = aws("ecr", "describe-images", *REPOSITORY, "--image-ids", "imageTag=1.3.0")
    assert still["imageDetails"][0]["imageTags"] == ["1.3.0"], still


def images_that_are_not_there_are_not_found():
    ids = ("--image-ids", "imageTag=9.9.9")
    aws_fails("ImageNotFoundException", "ecr", "describe-images", *REPOSITORY, *ids)
    fails("RepositoryNotFoundException", client("ecr").list_images, repositoryName="other")


def load_balancers_lead_to_healthy_targets():
    balancers = aws("elbv2", "describe-load-balancers")["LoadBalancers"]
    assert {b["LoadBalancerName"] for b in balancers} >= {"dev", "staging", "prod"}, balancers
    groups = aws("elbv2", "describe-target-groups", "--names", "api-prod")["TargetGroups"]
    health = aws(
        "elbv2", "describe-target-health", "--target-group-arn", groups[0]["TargetGroupArn"]
    )["TargetHealthDescriptions"]
    states = [target["TargetHealth"]["State"] for target in health]
    assert states, "prod has targets"
    assert set(states) <= {"healthy", "initial", "draining", "unhealthy"}, states
    assert "healthy" in states, states


def reading_leaves_no_mutation_in_the_journal():
    # Told apart by the key: the deployment that runs beside this signs with another one.
    role = "arn:aws:iam::123456789012:role/reader"
    given = client("sts").assume_role(RoleArn=role, RoleSessionName="reader")["Credentials"]
    keys = {
        "aws_access_key_id": given["AccessKeyId"],
        "aws_secret_access_key": given["SecretAccessKey"],
        "aws_session_token": given["SessionToken"],
    }

    def written():
        calls = door("GET", "journal")["calls"]
        return [c["operation"] for c in calls if c["accessKeyId"] == given["AccessKeyId"]]

    client("ecs", **keys).describe_services(cluster="prod", services=["api"])
    client("logs", **keys).filter_log_events(logGroupName="/ecs/prod/api", limit=1)
    client("ecr", **keys).batch_get_image(
        repositoryName="opsconsole-api", imageIds=[{"imageTag": "1.5.0"}]
    )
    client("elbv2", **keys).describe_load_balancers()
    client("cloudwatch", **keys).describe_alarms()
    client("s3", **keys).list_buckets()
    assert written() == [], written()
    client("cloudwatch", **keys).put_metric_data(Namespace="Judge", MetricData=[])
    assert written() == ["PutMetricData"], written()
