//! Reading and mapping: each kind of document gives the same environment, and what is not whole is
//! named.

use super::*;
use crate::{
    config::{EnvironmentConfig, Guard, PlatformConfig},
    terraform::{Mapped, TerraformError, guard_warning, map, read_all},
};
use serde_json::json;
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

fn environment(stack: &Stack) -> EnvironmentConfig {
    match map(stack, None) {
        Mapped::Environment { config, .. } => *config,
        Mapped::LeftOut { why } => panic!("left out: {why}"),
    }
}

#[test]
fn outputs_state_and_the_bare_output_say_the_same() {
    let from_outputs = stack(BLUE_GREEN_OUTPUT).contract;
    assert_eq!(stack(BLUE_GREEN_STATE).contract, from_outputs);
    assert_eq!(stack(&output().to_string()).contract, from_outputs);
}

#[test]
fn an_applied_ecs_stack_becomes_a_whole_environment() {
    let prod = environment(&stack(BLUE_GREEN_OUTPUT));
    let PlatformConfig::Ecs(ecs) = &prod.platform else {
        panic!("an ECS environment");
    };
    assert_eq!(prod.name.as_str(), "dev");
    assert_eq!(
        (
            ecs.cluster.as_str(),
            ecs.service.as_str(),
            ecs.region.as_str()
        ),
        ("shop-dev", "shop-dev-api", "us-east-1")
    );
    assert_eq!(ecs.container.as_deref(), Some("api"));
    assert_eq!(ecs.log_group.as_deref(), Some("/ecs/shop-dev-api"));
    assert_eq!(ecs.alarm_prefixes, ["shop-dev-"]);
    assert_eq!(prod.account.as_deref(), Some("123456789012"));
    let lock = prod.lock.unwrap();
    assert_eq!(
        (lock.bucket.as_str(), lock.prefix.as_str()),
        ("shop-dev-locks-123456789012", "opsconsole/")
    );
}

#[test]
fn what_the_console_sees_itself_is_not_written_into_the_configuration() {
    let bill = environment(&stack(BLUE_GREEN_OUTPUT)).extra_bill;
    let skus: Vec<&str> = bill.iter().map(|line| line.sku.as_str()).collect();
    // Counted by the platform: tasks, load balancer and its addresses, the service's logs, alarms.
    for sku in ["fargate.", "alb.", "cw.logs.store", "cw.alarm"] {
        assert!(!skus.iter().any(|known| known.starts_with(sku)), "{sku}");
    }
    let addresses: Vec<&str> = bill
        .iter()
        .filter(|line| line.sku == "ipv4.public")
        .map(|line| line.what.as_str())
        .collect();
    assert_eq!(addresses, ["Public IPv4 of the NAT gateways"]);
    assert!(skus.contains(&"nat.hour") && skus.contains(&"cw.custom.metric"));
}

#[test]
fn a_line_that_is_off_at_night_keeps_its_hours() {
    let bill = environment(&stack(SPOT_ARM)).extra_bill;
    let hours = |sku: &str| {
        let line = bill.iter().find(|line| line.sku == sku).unwrap();
        line.hours_per_month
    };
    assert!((hours("rds.pg.db.t3.micro").unwrap() - 260.714_286).abs() < 1e-9);
    assert_eq!(hours("nat.hour"), None);
}

#[test]
fn a_plan_gives_all_but_what_only_the_apply_knows() {
    let planned = stack(EFS);
    assert_eq!(planned.not_yet_known, ["lock.bucket"]);
    let Mapped::Environment { config, notes } = map(&planned, Some("ops")) else {
        panic!("an ECS stack is an environment");
    };
    assert_eq!(config.lock, None);
    assert!(notes[0].contains("lock.bucket is known only after the apply"));
    let PlatformConfig::Ecs(ecs) = &config.platform else {
        panic!("an ECS environment");
    };
    // The only log group is not called `api`.
    assert_eq!(ecs.log_group.as_deref(), Some("/ecs/shop-dev-api"));
    assert_eq!(ecs.profile.as_deref(), Some("ops"));
}

#[test]
fn a_plan_that_does_not_know_its_bill_is_refused() {
    let mut plan: Value = serde_json::from_str(EFS).unwrap();
    plan["output_changes"]["opsconsole"]["after_unknown"]["bill"]["lines"][0] =
        json!({"quantity": true});
    let error = parse("plan.json", &plan.to_string()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("does not know `bill.lines[0].quantity` yet. Apply it"),
        "{error}"
    );
}

#[test]
fn a_kubernetes_stack_becomes_its_helm_release_in_its_cluster_s_context() {
    let Mapped::Environment { config, notes } = map(&stack(EKS), Some("ops")) else {
        panic!("a Kubernetes stack is an environment");
    };
    let PlatformConfig::Kubernetes(kubernetes) = &config.platform else {
        panic!("a Kubernetes environment");
    };
    let context = "arn:aws:eks:us-east-1:123456789012:cluster/shop-dev";
    assert_eq!(kubernetes.context.as_deref(), Some(context));
    assert_eq!(kubernetes.namespace.as_deref(), Some("opsconsole-api"));
    assert_eq!(kubernetes.helm_release.as_deref(), Some("opsconsole-api"));
    assert_eq!(kubernetes.region, "us-east-1");
    // Of ECS only: the configuration refuses them beside a context.
    assert_eq!((&config.account, &config.lock), (&None, &None));
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("aws eks update-kubeconfig"), "{notes:?}");
    // The console counts the nodes' share and the control plane itself, and no alarms.
    let skus: Vec<&str> = config
        .extra_bill
        .iter()
        .map(|line| line.sku.as_str())
        .collect();
    for sku in ["ec2.", "eks.cluster"] {
        assert!(!skus.iter().any(|known| known.starts_with(sku)), "{sku}");
    }
    for sku in ["nat.hour", "cw.alarm.standard"] {
        assert!(skus.contains(&sku), "{sku}");
    }
}

#[test]
fn instances_are_left_out_and_it_is_said_why() {
    match map(&stack(EC2), None) {
        Mapped::LeftOut { why } => assert!(
            why.contains("runs on EC2 instances (CostScope=shop-dev)"),
            "{why}"
        ),
        Mapped::Environment { .. } => panic!("the configuration holds no instances"),
    }
}

#[test]
fn a_newer_minor_version_is_read_and_its_new_keys_left_out() {
    let mut newer = output();
    newer["contract"] = json!("1.7");
    newer["carbon"] = json!({"grams": 3});
    newer["bill"]["lines"][0]["carbon"] = json!(3);
    let newer = stack(&newer.to_string()).contract;
    assert_eq!(newer.version, "1.7");
    assert_eq!(newer.bill, stack(BLUE_GREEN_OUTPUT).contract.bill);
}

#[test]
fn another_major_version_is_refused_whatever_else_it_says() {
    for version in ["2.0", "0.9", "10.1", "1", "1.x"] {
        let said = parse(
            "s.json",
            &json!({"contract": version, "bill": 3}).to_string(),
        )
        .unwrap_err()
        .to_string();
        assert!(
            said.contains(&format!(
                "version {version} of the contract; this console reads 1.x"
            )),
            "{said}"
        );
    }
}

#[test]
fn a_bad_shape_is_named_with_its_path() {
    let cases: [(&str, &str, Value); 11] = [
        ("/region", "`region` has another shape", json!(3)),
        ("/account", "`account` is \"12\"", json!("12")),
        (
            "/environment",
            "`environment` is \"Prod One\"",
            json!("Prod One"),
        ),
        (
            "/platform",
            "`platform` has another shape",
            json!("mainframe"),
        ),
        (
            "/target/cluster",
            "`target.cluster` is missing",
            json!(null),
        ),
        ("/target/service", "`target.service` is missing", json!(" ")),
        ("/lock", "`lock` has another shape", json!({"prefix": "x/"})),
        ("/bill/lines", "`bill.lines` is empty", json!([])),
        (
            "/bill/lines/2/quantity",
            "`bill.lines[2]` has another shape",
            json!("many"),
        ),
        (
            "/bill/lines/2/min",
            "`bill.lines[2]` must have min ≤ quantity ≤ max",
            json!(1e6),
        ),
        (
            "/bill/lines/0/hours_per_month",
            "`bill.lines[0].hours_per_month` is 731",
            json!(731),
        ),
    ];
    for (pointer, expected, value) in cases {
        let said = refusal(|output| *output.pointer_mut(pointer).unwrap() = value);
        assert!(said.contains(expected), "{said}");
        assert!(said.starts_with("stack.json: "), "{said}");
    }
    let said = refusal(|output| {
        output.as_object_mut().unwrap().remove("region");
    });
    assert!(said.contains("`region` is missing"), "{said}");
}

#[test]
fn a_document_without_the_output_says_what_it_is_instead() {
    for (text, expected) in [
        ("", "it is empty"),
        ("Error: no state", "is not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "Has the stack been applied?"),
        (
            r#"{"planned_values": {"outputs": {}}}"#,
            "does not declare it",
        ),
        (
            r#"{"vpc_id": {"value": "vpc-1"}}"#,
            "neither an output of infra/stacks",
        ),
        (
            r#"{"output_changes": {"opsconsole": {"after": null, "after_unknown": false}}}"#,
            "the plan takes it away",
        ),
    ] {
        let said = parse("x.json", text).unwrap_err().to_string();
        assert!(said.contains(expected), "{text}: {said}");
    }
}

#[tokio::test]
async fn two_stacks_of_one_environment_are_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let (one, two) = (home.path().join("efs.json"), home.path().join("ec2.json"));
    std::fs::write(&one, EFS).unwrap();
    std::fs::write(&two, EC2).unwrap();
    let error = read_all(&[one, two], Path::new("terraform"))
        .await
        .unwrap_err();
    let said = error.to_string();
    assert!(matches!(error, TerraformError::SameName { .. }), "{said}");
    assert!(said.contains("two environments `dev`: one from "), "{said}");
    assert!(
        said.contains("efs.json") && said.contains("ec2.json"),
        "{said}"
    );
}

/// A directory and a program that answers as terraform would.
fn program(home: &Path, script: &str) -> PathBuf {
    let program = home.join("pretend-terraform");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    program
}

#[tokio::test]
async fn in_a_directory_terraform_is_asked_for_the_one_output() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("answer.json"), output().to_string()).unwrap();
    let program = program(
        home.path(),
        r#"[ "$*" = "output -json -no-color opsconsole" ] && cat answer.json"#,
    );
    let stacks = read_all(&[home.path().to_owned()], &program).await.unwrap();
    assert_eq!(stacks[0].contract, stack(BLUE_GREEN_OUTPUT).contract);
}

#[tokio::test]
async fn what_terraform_complains_of_is_passed_on_without_its_frame() {
    let home = tempfile::tempdir().unwrap();
    let program = program(
        home.path(),
        "printf '╷\\n│ Error: Output \"opsconsole\" not found\\n╵\\n' >&2; exit 1",
    );
    let said = read_all(&[home.path().to_owned()], &program)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        said.contains(": Error: Output \"opsconsole\" not found. Has the stack"),
        "{said}"
    );
    let said = read_all(
        &[home.path().to_owned()],
        Path::new("/nonexistent/terraform"),
    )
    .await
    .unwrap_err()
    .to_string();
    assert!(
        said.contains("cannot run /nonexistent/terraform in "),
        "{said}"
    );
}

#[test]
fn a_guard_that_disagrees_with_terraform_is_told() {
    let mut prod = stack(BLUE_GREEN_PROD).contract;
    assert_eq!(guard_warning(&prod, Guard::TypeName), None);
    assert_eq!(guard_warning(&prod, Guard::ReadOnly), None);
    let said = guard_warning(&prod, Guard::Confirm).unwrap();
    assert!(said.contains("Set guard = \"type-name\""), "{said}");
    prod.production = false;
    let said = guard_warning(&prod, Guard::TypeName).unwrap();
    assert!(said.contains("its name says production"), "{said}");
    let dev = stack(EFS).contract;
    assert_eq!(guard_warning(&dev, Guard::Confirm), None);
}
