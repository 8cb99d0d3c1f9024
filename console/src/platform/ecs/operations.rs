//! The one list of AWS operations that opsconsole sends. Reading clients refuse whatever is not
//! listed as reading, `doctor` tries the reading ones, and IAM policies are written from it.

use serde::Serialize;

/// Whether an operation can change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It only looks.
    Reads,
    /// It changes something, and takes a permit.
    Mutates,
}

/// The AWS service of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AwsService {
    /// Elastic Container Service.
    Ecs,
    /// CloudWatch Logs.
    Logs,
    /// Elastic Container Registry.
    Ecr,
    /// Elastic Load Balancing v2.
    Elb,
    /// CloudWatch metrics and alarms.
    CloudWatch,
    /// S3, for the shared lock.
    S3,
    /// Security Token Service.
    Sts,
}

impl AwsService {
    /// The name by which the SDK announces the service to its interceptors.
    pub fn sdk_name(self) -> &'static str {
        match self {
            Self::Ecs => "ECS",
            Self::Logs => "CloudWatch Logs",
            Self::Ecr => "ECR",
            Self::Elb => "Elastic Load Balancing v2",
            Self::CloudWatch => "CloudWatch",
            Self::S3 => "S3",
            Self::Sts => "STS",
        }
    }

    /// The first part of its regional endpoint's host name.
    pub fn endpoint_prefix(self) -> &'static str {
        match self {
            Self::Ecs => "ecs",
            Self::Logs => "logs",
            Self::Ecr => "api.ecr",
            Self::Elb => "elasticloadbalancing",
            Self::CloudWatch => "monitoring",
            Self::S3 => "s3",
            Self::Sts => "sts",
        }
    }
}

/// One operation that opsconsole may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Operation {
    /// Its name on the wire: `DescribeServices`.
    pub name: &'static str,
    /// Whose it is.
    pub service: AwsService,
    /// Whether it changes anything.
    pub effect: Effect,
    /// The IAM action that allows it.
    pub iam_action: &'static str,
    /// Further IAM actions that the request needs as opsconsole sends it.
    pub also: &'static [&'static str],
    /// What does not work without it.
    pub feature: &'static str,
}

macro_rules! operations {
    ($($constant:ident = $effect:ident $service:ident $name:literal, $iam:literal $(+ $also:literal)*, $feature:literal;)*) => {
        $(
            #[doc = concat!("`", $iam, "`: ", $feature, ".")]
            pub const $constant: Operation = Operation {
                name: $name,
                service: AwsService::$service,
                effect: Effect::$effect,
                iam_action: $iam,
                also: &[$($also),*],
                feature: $feature,
            };
        )*

        /// All of them.
        pub const OPERATIONS: &[Operation] = &[$($constant),*];
    };
}

operations! {
    GET_CALLER_IDENTITY = Reads Sts "GetCallerIdentity", "sts:GetCallerIdentity", "the account check before every change";

    LIST_CLUSTERS = Reads Ecs "ListClusters", "ecs:ListClusters", "finding services for `opsconsole init`";
    LIST_SERVICES = Reads Ecs "ListServices", "ecs:ListServices", "finding services, and naming the nearest one when a name is wrong";
    DESCRIBE_SERVICES = Reads Ecs "DescribeServices", "ecs:DescribeServices", "every screen";
    LIST_TASKS = Reads Ecs "ListTasks", "ecs:ListTasks", "the tasks of a service";
    DESCRIBE_TASKS = Reads Ecs "DescribeTasks", "ecs:DescribeTasks", "the tasks of a service, and why stopped ones stopped";
    DESCRIBE_TASK_DEFINITION = Reads Ecs "DescribeTaskDefinition", "ecs:DescribeTaskDefinition", "what runs, who deployed it, and every deploy";
    LIST_SERVICE_DEPLOYMENTS = Reads Ecs "ListServiceDeployments", "ecs:ListServiceDeployments", "the deployment history and last known-good";
    DESCRIBE_SERVICE_DEPLOYMENTS = Reads Ecs "DescribeServiceDeployments", "ecs:DescribeServiceDeployments", "how a deployment fared";
    DESCRIBE_SERVICE_REVISIONS = Reads Ecs "DescribeServiceRevisions", "ecs:DescribeServiceRevisions", "which image a deployment really ran";
    REGISTER_TASK_DEFINITION = Mutates Ecs "RegisterTaskDefinition", "ecs:RegisterTaskDefinition" + "ecs:TagResource" + "iam:PassRole", "deploy, and rollback to an inactive revision";
    UPDATE_SERVICE = Mutates Ecs "UpdateService", "ecs:UpdateService", "deploy, rollback, restart and scale";
    STOP_SERVICE_DEPLOYMENT = Mutates Ecs "StopServiceDeployment", "ecs:StopServiceDeployment", "rollback while a deployment goes on";
    STOP_TASK = Mutates Ecs "StopTask", "ecs:StopTask", "stopping one task";

    DESCRIBE_IMAGES = Reads Ecr "DescribeImages", "ecr:DescribeImages", "the releases, and the check that an image still exists";
    BATCH_GET_IMAGE = Reads Ecr "BatchGetImage", "ecr:BatchGetImage", "the check of an image's architecture";
    GET_DOWNLOAD_URL_FOR_LAYER = Reads Ecr "GetDownloadUrlForLayer", "ecr:GetDownloadUrlForLayer", "the check of an image's architecture";

    DESCRIBE_TARGET_GROUPS = Reads Elb "DescribeTargetGroups", "elasticloadbalancing:DescribeTargetGroups", "request rate, errors and latency";
    DESCRIBE_TARGET_HEALTH = Reads Elb "DescribeTargetHealth", "elasticloadbalancing:DescribeTargetHealth", "which tasks get requests";
    DESCRIBE_LOAD_BALANCERS = Reads Elb "DescribeLoadBalancers", "elasticloadbalancing:DescribeLoadBalancers", "the service's address and the cost of its load balancer";
    DESCRIBE_LISTENERS = Reads Elb "DescribeListeners", "elasticloadbalancing:DescribeListeners", "the service's address";

    DESCRIBE_ALARMS = Reads CloudWatch "DescribeAlarms", "cloudwatch:DescribeAlarms", "alarms";
    GET_METRIC_DATA = Reads CloudWatch "GetMetricData", "cloudwatch:GetMetricData", "sparklines, request rate, errors, latency, CPU and memory";

    FILTER_LOG_EVENTS = Reads Logs "FilterLogEvents", "logs:FilterLogEvents", "logs";
    DESCRIBE_LOG_GROUPS = Reads Logs "DescribeLogGroups", "logs:DescribeLogGroups", "the cost of stored logs";

    GET_OBJECT = Reads S3 "GetObject", "s3:GetObject" + "s3:ListBucket", "seeing who holds the shared lock";
    PUT_OBJECT = Mutates S3 "PutObject", "s3:PutObject", "taking the shared lock";
    DELETE_OBJECT = Mutates S3 "DeleteObject", "s3:DeleteObject", "releasing the shared lock";
}

/// Finds an operation by the names the SDK announces.
pub fn find(sdk_service: &str, name: &str) -> Option<&'static Operation> {
    OPERATIONS
        .iter()
        .find(|operation| operation.name == name && operation.service.sdk_name() == sdk_service)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_operation_is_listed_twice() {
        for operation in OPERATIONS {
            let same = OPERATIONS
                .iter()
                .filter(|other| other.name == operation.name && other.service == operation.service);
            assert_eq!(same.count(), 1, "{}", operation.name);
        }
    }

    #[test]
    fn whatever_is_named_like_a_change_is_listed_as_one() {
        let looks = ["Get", "List", "Describe", "BatchGet", "Filter"];
        for operation in OPERATIONS {
            let reads = looks.iter().any(|verb| operation.name.starts_with(verb));
            assert_eq!(
                reads,
                operation.effect == Effect::Reads,
                "{}",
                operation.name
            );
        }
    }
}
