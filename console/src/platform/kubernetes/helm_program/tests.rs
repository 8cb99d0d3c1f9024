//! Helms that are missing, too old, at work or refused, played by scripts.

use super::*;

fn helm(program: &str) -> Helm {
    Helm {
        program: program.into(),
        namespace: "shop".to_owned(),
        context: "kind".to_owned(),
        kubeconfig: None,
    }
}

/// A helm that answers with that.
fn script(home: &tempfile::TempDir, body: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = home.path().join("helm");
    std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).expect("a script");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("rights");
    path.display().to_string()
}

#[tokio::test]
async fn a_helm_that_is_missing_or_too_old_is_said_with_what_to_install() {
    let home = tempfile::tempdir().expect("a directory");
    let missing = helm("/nonexistent/helm").check_version().await;
    let old = script(&home, "echo 'Client: v2.17.0+ga690bad'");
    let old = helm(&old).check_version().await;
    let lost = script(&home, "echo 'Error: could not find tiller' >&2; exit 1");
    let lost = helm(&lost).check_version().await;
    for (problem, words) in [
        (missing, "is not on the PATH"),
        (old, "too old (Client: v2.17.0"),
        (lost, "too old (Error: could not find tiller"),
    ] {
        let problem = problem.expect_err("it will not do");
        assert!(problem.to_string().contains(words), "{problem}");
        assert!(problem.way_out("shop").contains("helm 3"));
    }
    let good = script(&home, "echo v4.0.1+g12500dd");
    assert_eq!(helm(&good).check_version().await, Ok(()));
}

#[tokio::test]
async fn one_that_fails_at_work_is_quoted_and_one_that_is_killed_is_told_so() {
    let home = tempfile::tempdir().expect("a directory");
    let permit = Permit::issue(crate::model::RunId::new("r-test"));
    let told = async |body: &str| {
        let program = script(&home, body);
        let mut at_work = helm(&program)
            .start(&permit, &["rollback", "shop", "1"])
            .expect("it starts");
        at_work.ended().await.expect_err("it fails").to_string()
    };
    let said = told("echo 'Error: UPGRADE FAILED: no such hook' >&2; exit 1").await;
    assert_eq!(said, "helm: Error: UPGRADE FAILED: no such hook");
    let said = told("kill -9 $$").await;
    assert!(said.contains("signal: 9"), "{said}");
}
