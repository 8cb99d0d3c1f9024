//! The table as people read it: sections of the help, and the reference page of the manual.

use super::{COMMANDS, CommandSpec, Kind, Place};
use std::fmt::Write as _;

/// The manual's reference page of keys and commands, in Markdown.
pub fn reference_markdown() -> String {
    let mut page = String::from(
        "# Keys and commands\n\n\
         Generated from the command table of the console. Every command can be typed after `:` \
         and bound anew in the configuration's `[keys]` table, by its name.\n",
    );
    for (title, rows) in sections() {
        let _ = write!(
            page,
            "\n## {title}\n\n| Key | Command | What it does | Changes things |\n|---|---|---|---|\n"
        );
        for spec in rows {
            let keys: Vec<String> = spec.keys.iter().map(|key| format!("`{key}`")).collect();
            let names: Vec<String> = std::iter::once(&spec.name)
                .chain(spec.aliases)
                .map(|name| format!("`:{name}`"))
                .collect();
            let _ = writeln!(
                page,
                "| {} | {}{} | {} | {} |",
                keys.join(" "),
                names.join(" "),
                if spec.argument.is_empty() {
                    String::new()
                } else {
                    format!(" *{}*", spec.argument)
                },
                spec.doc,
                if spec.kind == Kind::Mutates {
                    "yes"
                } else {
                    ""
                },
            );
        }
    }
    page
}

/// The table by where commands apply: everywhere first, then what is special to some screens.
pub fn sections() -> Vec<(String, Vec<&'static CommandSpec>)> {
    let mut sections: Vec<(String, Vec<&'static CommandSpec>)> = Vec::new();
    for spec in COMMANDS {
        let places: Vec<&str> = Place::ALL
            .into_iter()
            .filter(|place| spec.places.contains(*place))
            .map(Place::word)
            .collect();
        let title = if spec.kind == Kind::Mutates {
            "Changes".to_owned()
        } else if places.len() >= 5 {
            "Everywhere".to_owned()
        } else {
            places.join(", ")
        };
        match sections.iter_mut().find(|(known, _)| *known == title) {
            Some((_, rows)) => rows.push(spec),
            None => sections.push((title, vec![spec])),
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_page_names_every_command() {
        let page = reference_markdown();
        for spec in COMMANDS {
            assert!(
                page.contains(&format!("`:{}`", spec.name)),
                "{} is missing",
                spec.name
            );
        }
    }
}
