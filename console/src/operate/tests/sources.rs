//! The sources are walked: nobody but the executor may let a platform change something.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Files, relative to `src`, whose code outside of comments holds `needle`.
fn files_with(needle: impl Fn(&str) -> bool) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut all = Vec::new();
    sources(&root, &mut all);
    assert!(all.len() > 50, "the walk found only {} files", all.len());
    let mut found: Vec<String> = all
        .into_iter()
        .filter(|path| {
            let text = fs::read_to_string(path).unwrap();
            text.lines()
                .map(str::trim_start)
                .filter(|line| !line.starts_with("//"))
                .any(&needle)
        })
        .map(|path| {
            let relative = path.strip_prefix(&root).unwrap();
            relative.to_string_lossy().replace('\\', "/")
        })
        .filter(|path| !path.contains("/tests"))
        .collect();
    found.sort();
    found
}

#[test]
fn permits_are_issued_by_the_executor_alone() {
    let issuing = files_with(|line| line.contains("Permit::issue(") || line.contains("Permit {"));
    // The type's own file defines it and its one constructor.
    assert_eq!(issuing, ["operate/executor.rs", "platform/mod.rs"]);
}

#[test]
fn platforms_are_told_to_execute_by_the_executor_alone() {
    let executing = files_with(|line| line.contains(".execute(&") && line.contains("permit"));
    assert_eq!(executing, ["operate/executor.rs"]);
    let methods = files_with(|line| line.contains("Platform::execute("));
    assert_eq!(methods, Vec::<String>::new());
}
