//! What a change takes: read-only, confirmation, the name typed, freeze windows, broken glass.
//! Pure; the executor asks it before anything else.

use super::{
    Confirmation, Gate, OperateError,
    lock::{Standing, who},
};
use crate::{
    config::{EnvironmentConfig, Guard},
    model::{Blocker, Caller, Plan},
    store::StoreError,
};
use jiff::Timestamp;
use std::time::Duration;

/// A reason shorter than this tells the reader of the audit nothing.
const REASON_CHARS_MIN: usize = 3;

/// What the gate is decided from.
pub(super) struct Approach<'a> {
    pub config: &'a EnvironmentConfig,
    pub plan: &'a Plan,
    pub lock: &'a Standing,
    pub store: Result<(), StoreError>,
    pub plan_ttl: Duration,
    pub now: Timestamp,
}

/// What must be given for this plan, here and now.
pub(super) fn gate(of: &Approach<'_>) -> Gate {
    let name = &of.config.name;
    if of.config.guard == Guard::ReadOnly {
        return refused(
            format!("{name} is read-only"),
            format!("Change guard of environment.{name} in the configuration if that is wrong"),
        );
    }
    if let Some(blocker) = of.plan.prepared.blockers.first() {
        return refused(blocker.what.clone(), blocker.remedy.clone());
    }
    if of.plan.is_noop() {
        return refused(
            "nothing would change".to_owned(),
            "That is what runs already; use restart to replace every task".to_owned(),
        );
    }
    let age = of.now.duration_since(of.plan.made_at);
    if age.unsigned_abs() > of.plan_ttl {
        return refused(
            format!("the plan is {} min old", age.as_mins()),
            "Plan again; the environment may have changed since".to_owned(),
        );
    }
    if let Err(error) = &of.store {
        return refused(
            format!("the change could not be recorded: {error}"),
            "Nothing is changed that is not recorded".to_owned(),
        );
    }
    if let Standing::Held(record) = of.lock {
        return refused(
            format!(
                "{name} is locked by {} for \"{}\" until {}",
                who(record),
                record.purpose,
                record.expires_at.strftime("%H:%M:%S UTC")
            ),
            "Wait, or ask them".to_owned(),
        );
    }
    let type_name = of.config.guard == Guard::TypeName;
    if let Some(why) = in_the_way(of) {
        return Gate::BreakGlass { why, type_name };
    }
    if type_name {
        Gate::TypeName
    } else {
        Gate::Confirm
    }
}

/// Lets a change pass, or says what is missing. Gives the reason when the glass was broken.
pub(super) fn admit(
    gate: &Gate,
    config: &EnvironmentConfig,
    confirmation: &Confirmation,
) -> Result<Option<String>, OperateError> {
    match gate {
        Gate::Refused { why, remedy } => Err(OperateError::Refused {
            why: why.clone(),
            remedy: remedy.clone(),
        }),
        Gate::Confirm => yes(config, confirmation).map(|()| None),
        Gate::TypeName => typed(config, confirmation).map(|()| None),
        Gate::BreakGlass { why, type_name } => {
            let reason = confirmation
                .break_glass
                .as_deref()
                .map(str::trim)
                .filter(|reason| reason.chars().count() >= REASON_CHARS_MIN)
                .ok_or_else(|| OperateError::Refused {
                    why: why.clone(),
                    remedy: "Wait, or give a reason to break the glass (`--break-glass REASON`); it is recorded"
                        .to_owned(),
                })?;
            if *type_name {
                typed(config, confirmation)?;
            } else {
                yes(config, confirmation)?;
            }
            Ok(Some(reason.to_owned()))
        }
    }
}

/// The blocker when the credentials are for another account than the environment is in.
pub(super) fn wrong_account(
    config: &EnvironmentConfig,
    expected: &str,
    caller: &Caller,
) -> Option<Blocker> {
    let actual = caller.account.as_deref().unwrap_or("no account at all");
    (actual != expected).then(|| Blocker {
        what: format!(
            "{} is in account {expected}, and the credentials ({}) are for {actual}",
            config.name, caller.principal
        ),
        remedy: format!(
            "Use the profile of that account, or correct account of environment.{} in the configuration",
            config.name
        ),
    })
}

fn in_the_way(of: &Approach<'_>) -> Option<String> {
    let freeze = of
        .config
        .freeze
        .iter()
        .find(|window| window.start <= of.now && of.now < window.end)
        .map(|window| {
            format!(
                "{} is frozen until {}: {}",
                of.config.name,
                window.end.strftime("%Y-%m-%d %H:%M UTC"),
                window.reason
            )
        });
    let stale = match of.lock {
        Standing::Stale(record) => Some(format!(
            "the lock of {} for \"{}\" was left behind (it ran out at {})",
            who(record),
            record.purpose,
            record.expires_at.strftime("%H:%M:%S UTC")
        )),
        Standing::OfThisRollout { record, own: false } => Some(format!(
            "{} holds the lock for \"{}\", which this puts an end to",
            who(record),
            record.purpose
        )),
        _ => None,
    };
    let all: Vec<String> = [freeze, stale, of.plan.prepared.break_glass.clone()]
        .into_iter()
        .flatten()
        .collect();
    (!all.is_empty()).then(|| all.join("; and "))
}

fn yes(config: &EnvironmentConfig, confirmation: &Confirmation) -> Result<(), OperateError> {
    // Whoever types the name has more than said yes.
    if confirmation.yes || confirmation.typed_name.as_deref() == Some(config.name.as_str()) {
        return Ok(());
    }
    Err(OperateError::Refused {
        why: format!("a change of {} must be confirmed", config.name),
        remedy: "Confirm it, or pass `--yes`".to_owned(),
    })
}

fn typed(config: &EnvironmentConfig, confirmation: &Confirmation) -> Result<(), OperateError> {
    let name = &config.name;
    match confirmation.typed_name.as_deref().map(str::trim) {
        Some(typed) if typed == name.as_str() => Ok(()),
        Some(typed) => Err(OperateError::Refused {
            why: format!("\"{typed}\" is not the name of the environment to change, {name}"),
            remedy: format!("Type {name} to confirm"),
        }),
        None => Err(OperateError::Refused {
            why: format!("a change of {name} takes its name, typed; a yes is not enough"),
            remedy: format!("Type {name} to confirm, or pass `--confirm {name}`"),
        }),
    }
}

fn refused(why: String, remedy: String) -> Gate {
    Gate::Refused { why, remedy }
}
