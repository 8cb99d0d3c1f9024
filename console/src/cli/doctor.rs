//! `opsconsole doctor`: checks credentials, permissions, endpoints, clock and terminal, one line each.

use super::{
    Failure, Global, OutputFormat, exit,
    output::{print_json, printable},
    scope::{environments, open},
};
use crate::platform::Check;
use clap::Args;
use serde::Serialize;
use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {}

#[derive(Serialize)]
struct Section {
    about: String,
    checks: Vec<Check>,
}

/// Checks this machine, then each environment; the code is 5 when an environment's check fails
/// and 1 when only this machine's does.
pub async fn run(global: &Global, _args: DoctorArgs) -> Result<u8, Failure> {
    let format = OutputFormat::table_or_json(global.output)?;
    let context = open(global).await?;
    let mut here = vec![check("terminal", terminal)];
    here.push(check("data directory", || {
        context
            .store
            .check_writable()
            .map(|()| context.data_dir.display().to_string())
            .map_err(|error| {
                (
                    error.to_string(),
                    "free space or set OPSCONSOLE_DATA_DIR".to_owned(),
                )
            })
    }));
    here.push(check("configuration", || {
        Ok(context.config.path.as_ref().map_or_else(
            || "none; the local cloud is shown".to_owned(),
            |path| {
                format!(
                    "{}: {} environments",
                    path.display(),
                    context.config.environments.len()
                )
            },
        ))
    }));
    let mut sections = vec![Section {
        about: "this machine".to_owned(),
        checks: here,
    }];
    for name in environments(&context, global)? {
        let begun = Instant::now();
        let checks = match context.connections.connect(&name).await {
            Ok(environment) => environment.platform.checks().await,
            Err(error) => vec![Check {
                name: "connect".to_owned(),
                ok: false,
                detail: error.to_string(),
                remedy: None,
                took: begun.elapsed(),
            }],
        };
        sections.push(Section {
            about: name.to_string(),
            checks,
        });
    }
    match format {
        OutputFormat::Json => print_json(&sections)?,
        _ => print(&sections),
    }
    let fails = |section: &Section| section.checks.iter().any(|check| !check.ok);
    Ok(if sections.iter().skip(1).any(fails) {
        exit::UNREACHABLE
    } else if sections.first().is_some_and(fails) {
        exit::INTERNAL
    } else {
        exit::DONE
    })
}

fn print(sections: &[Section]) {
    for section in sections {
        say!("{}", section.about);
        for check in &section.checks {
            let glyph = if check.ok { "✓" } else { "✗" };
            say!(
                "  {glyph} {}: {} ({} ms)",
                check.name,
                printable(&check.detail),
                check.took.as_millis()
            );
            if let (false, Some(remedy)) = (check.ok, &check.remedy) {
                say!("      → {}", printable(remedy));
            }
        }
    }
}

fn check(name: &str, look: impl FnOnce() -> Result<String, (String, String)>) -> Check {
    let begun = Instant::now();
    let result = look();
    let took: Duration = begun.elapsed();
    match result {
        Ok(detail) => Check {
            name: name.to_owned(),
            ok: true,
            detail,
            remedy: None,
            took,
        },
        Err((detail, remedy)) => Check {
            name: name.to_owned(),
            ok: false,
            detail,
            remedy: Some(remedy),
            took,
        },
    }
}

fn terminal() -> Result<String, (String, String)> {
    if !std::io::stdout().is_terminal() {
        return Ok("stdout is not a terminal; commands print without colour".to_owned());
    }
    let kind = std::env::var("TERM").unwrap_or_default();
    if kind.is_empty() || kind == "dumb" {
        return Err((
            format!("TERM is {kind:?}"),
            "use a terminal that can position text; set TERM".to_owned(),
        ));
    }
    match crossterm::terminal::size() {
        Ok((width, height)) if width < 80 || height < 24 => Err((
            format!("{kind}, {width}×{height}"),
            "make the window at least 80×24".to_owned(),
        )),
        Ok((width, height)) => Ok(format!("{kind}, {width}×{height}")),
        Err(error) => Err((
            format!("{kind}: {error}"),
            "use another terminal".to_owned(),
        )),
    }
}
