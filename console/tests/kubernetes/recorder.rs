//! What is asked of an API server, as RBAC judges it: `kubectl proxy` stands in front and names
//! each request.

use regex::Regex;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fmt,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// A verb on a resource of a group, as a Role spells it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    pub group: String,
    pub resource: String,
    pub verb: String,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = if self.group.is_empty() {
            "core"
        } else {
            &self.group
        };
        write!(f, "{} {group}/{}", self.verb, self.resource)
    }
}

/// The rights that a Role's rules give.
pub fn given(rules: &[Value]) -> BTreeSet<Right> {
    let words = |rule: &Value, key: &str| -> Vec<String> {
        let list = rule[key].as_array().cloned().unwrap_or_default();
        list.iter()
            .filter_map(|word| word.as_str().map(str::to_owned))
            .collect()
    };
    let mut all = BTreeSet::new();
    for rule in rules {
        for group in words(rule, "apiGroups") {
            for resource in words(rule, "resources") {
                for verb in words(rule, "verbs") {
                    let (group, resource) = (group.clone(), resource.clone());
                    all.insert(Right {
                        group,
                        resource,
                        verb,
                    });
                }
            }
        }
    }
    all
}

/// Writes a kubeconfig that leads to an address without any credentials.
pub fn kubeconfig_of(address: &str, path: &Path) -> PathBuf {
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "clusters": [{"name": "test", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "test", "user": {}}]
    });
    std::fs::write(path, text.to_string()).expect("a kubeconfig is written");
    path.to_owned()
}

/// A proxy to the cluster, as the user of a kubeconfig. Dropping it ends it.
pub struct Recorder {
    proxy: Child,
    log: PathBuf,
    kubeconfig: PathBuf,
}

impl Recorder {
    /// Starts it; its files go to that folder.
    pub fn start(folder: &Path, name: &str, user: &Path) -> Self {
        let log = folder.join(format!("{name}.requests"));
        let mut proxy = Command::new("kubectl")
            .args(["proxy", "--port=0", "-v=6", "--reject-paths=^$"])
            .env("KUBECONFIG", user)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(&log).expect("a file"))
            .spawn()
            .expect("kubectl runs");
        let mut said = String::new();
        BufReader::new(proxy.stdout.take().expect("piped"))
            .read_line(&mut said)
            .expect("text");
        let address = said.trim().rsplit(' ').next().unwrap_or_default();
        let kubeconfig = kubeconfig_of(address, &folder.join(format!("{name}.proxied")));
        Self {
            proxy,
            log,
            kubeconfig,
        }
    }

    /// Leads through it.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// What was asked for in that namespace so far, and what of it was refused.
    pub fn asked(&self, namespace: &str) -> (BTreeSet<Right>, BTreeSet<Right>) {
        let log = std::fs::read_to_string(&self.log).expect("text");
        let pattern = r#""Response" verb="([A-Z]+)" url="[a-z]+://[^/"]+([^"]*)" status="(\d+)"#;
        let pattern = Regex::new(pattern).expect("a pattern");
        let (mut asked, mut refused) = (BTreeSet::new(), BTreeSet::new());
        for found in pattern.captures_iter(&log) {
            if let Some(right) = right(&found[1], &found[2], namespace) {
                if &found[3] == "403" {
                    refused.insert(right.clone());
                }
                asked.insert(right);
            }
        }
        (asked, refused)
    }
}

impl Recorder {
    /// The requests so far that changed something in that namespace, as `PATCH deployments/api`.
    pub fn changes(&self, namespace: &str) -> Vec<String> {
        let log = std::fs::read_to_string(&self.log).expect("text");
        let pattern = r#""Response" verb="([A-Z]+)" url="[a-z]+://[^/"]+([^"]*)" status="(\d+)"#;
        let pattern = Regex::new(pattern).expect("a pattern");
        let within = format!("/namespaces/{namespace}/");
        pattern
            .captures_iter(&log)
            .filter(|found| &found[1] != "GET" && !found[2].contains("dryRun=All"))
            .filter_map(|found| {
                let path = found[2].split('?').next()?;
                let (_, object) = path.split_once(&within)?;
                Some(format!("{} {object}", &found[1]))
            })
            .collect()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.proxy.kill();
        let _ = self.proxy.wait();
    }
}

/// `/apis/GROUP/VERSION/namespaces/NAMESPACE/RESOURCE[/NAME[/SUBRESOURCE]]`, or `/api/VERSION/…`.
fn right(method: &str, url: &str, namespace: &str) -> Option<Right> {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let mut parts = path.split('/').skip(1);
    let group = match parts.next()? {
        "api" => "",
        "apis" => parts.next()?,
        _ => return None,
    };
    let (_version, scope, of) = (parts.next()?, parts.next()?, parts.next()?);
    if scope != "namespaces" || of != namespace {
        return None;
    }
    let resource = parts.next()?;
    let name = parts.next();
    let resource = match parts.next() {
        Some(subresource) => format!("{resource}/{subresource}"),
        None => resource.to_owned(),
    };
    let watches = query.split('&').any(|part| part == "watch=true");
    let verb = match (method, name) {
        ("GET", _) if watches => "watch",
        ("GET", Some(_)) => "get",
        ("GET", None) => "list",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", Some(_)) => "delete",
        ("DELETE", None) => "deletecollection",
        _ => return None,
    };
    Some(Right {
        group: group.to_owned(),
        resource,
        verb: verb.to_owned(),
    })
}
