//! Holds the arrows of `docs/architecture.md`: no room reaches upwards, SDKs stop at their
//! platform, state knows no ratatui, and views do no I/O.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// A room, and the rooms below it.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("config", &["model"]),
    ("store", &["config", "model"]),
    ("platform", &["config", "model"]),
    ("cost", &["model"]),
    ("logs", &["model", "platform"]),
    ("operate", &["config", "model", "platform", "store", "cost"]),
    ("terraform", &["config", "cost", "model"]),
    (
        "context",
        &["config", "model", "operate", "platform", "store", "cost"],
    ),
    (
        "tui",
        &[
            "config", "context", "cost", "logs", "model", "operate", "platform", "store",
        ],
    ),
    (
        "cli",
        &[
            "config",
            "context",
            "cost",
            "logs",
            "model",
            "operate",
            "platform",
            "store",
            "terraform",
            // It writes the reference pages and the pictures of the screens.
            "tui",
        ],
    ),
];

/// What only one place may name, and that place.
const BORDERS: &[(&str, &[&str])] = &[
    ("aws_sdk_", &["platform/ecs"]),
    ("kube::", &["platform/kubernetes"]),
    ("k8s_openapi::", &["platform/kubernetes"]),
    (
        "ratatui",
        &[
            "tui/view",
            "tui/widgets",
            "tui/theme",
            "tui/svg",
            "tui/terminal",
            "tui/pictures",
            "tui/tests",
        ],
    ),
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file below `folder`, with its path relative to `src`.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            all.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let name = path.strip_prefix(source()).expect("below src");
            let code: Vec<String> = fs::read_to_string(&path)
                .expect("a text")
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .map(str::to_owned)
                .collect();
            all.push((name.display().to_string(), code.join("\n")));
        }
    }
    all
}

/// The rooms that a file names after `crate::`, alone or in braces.
fn named(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            rooms.insert(identifier(rest));
            continue;
        };
        let mut depth = 0;
        let mut starts = true;
        for (index, character) in group.char_indices() {
            match character {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => starts = true,
                _ if starts && !character.is_whitespace() => {
                    rooms.insert(identifier(&group[index..]));
                    starts = false;
                }
                _ => {}
            }
        }
    }
    rooms
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect()
}

fn room_of(file: &str) -> &str {
    let first = file.split('/').next().unwrap_or(file);
    first.strip_suffix(".rs").unwrap_or(first)
}

#[test]
fn no_room_reaches_upwards() {
    let rooms: Vec<&str> = ARROWS.iter().map(|(room, _)| *room).collect();
    let mut wrong = Vec::new();
    for (file, code) in files(&source()) {
        let room = room_of(&file);
        // A test may walk the whole way up.
        if ["lib", "main", "rooms"].contains(&room) || file.contains("/tests") {
            continue;
        }
        let below = ARROWS
            .iter()
            .find(|(name, _)| *name == room)
            .unwrap_or_else(|| panic!("{file}: {room} is a new room; give it its place here"))
            .1;
        for other in named(&code) {
            let other = other.as_str();
            if rooms.contains(&other) && other != room && !below.contains(&other) {
                wrong.push(format!("{file} reaches up to {other}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn an_sdk_and_the_terminal_are_named_in_one_place_each() {
    let mut wrong = Vec::new();
    for (file, code) in files(&source()) {
        for (word, places) in BORDERS {
            if file != "rooms.rs"
                && code.contains(word)
                && !places.iter().any(|place| file.starts_with(place))
            {
                wrong.push(format!("{file} names {word}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn views_do_no_io() {
    let drawn = files(&source().join("tui/view"));
    assert!(drawn.len() > 5, "the views are elsewhere");
    for (file, code) in drawn {
        for word in ["std::fs", "std::net", "tokio", "std::process", "reqwest"] {
            assert!(!code.contains(word), "{file} names {word}");
        }
    }
}

#[test]
fn names_are_found_alone_and_in_braces() {
    let found =
        named("use crate::{\n model::{A, B},\n tui::{x, cli::y},\n};\nlet z = crate::store::Z;");
    let found: Vec<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(found, ["model", "store", "tui"]);
}
