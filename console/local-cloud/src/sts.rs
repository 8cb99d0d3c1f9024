//! STS: who a key belongs to, and temporary keys for roles.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::protocol::{ACCOUNT, AwsError, QueryParams, Xml, iso8601, now_ms};
use crate::sigv4::{AccessKey, Refusal};

/// Temporary keys kept; those whose time is over go first, then the oldest.
const SESSIONS_MAX: usize = 1_000;

#[derive(Debug, Clone)]
struct Session {
    key: AccessKey,
    role: String,
    name: String,
    expires_ms: i64,
}

/// The temporary keys that were given out.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    sessions: Mutex<BTreeMap<String, Session>>,
}

impl Sessions {
    /// The temporary key with this id.
    ///
    /// # Errors
    /// [`Refusal::UnknownKey`] and [`Refusal::Expired`].
    pub fn key(&self, access_key_id: &str) -> Result<AccessKey, Refusal> {
        let sessions = self.lock();
        let session = sessions.get(access_key_id).ok_or(Refusal::UnknownKey)?;
        if session.expires_ms < now_ms() {
            return Err(Refusal::Expired);
        }
        Ok(session.key.clone())
    }

    /// Who a key belongs to: the role it was given out for, or the instance's user.
    pub fn arn(&self, access_key_id: &str) -> String {
        match self.lock().get(access_key_id) {
            Some(session) => {
                format!(
                    "arn:aws:sts::{ACCOUNT}:assumed-role/{}/{}",
                    session.role, session.name
                )
            }
            None => format!("arn:aws:iam::{ACCOUNT}:user/operator"),
        }
    }

    fn give_out(&self, role: &str, name: &str, seconds: i64) -> Session {
        let random = || uuid::Uuid::new_v4().simple().to_string();
        let session = Session {
            key: AccessKey {
                id: format!("ASIA{}", random()[..16].to_uppercase()),
                secret: format!("{}{}", random(), random())[..40].to_owned(),
                session_token: Some(format!("{}{}", random(), random())),
            },
            role: role.to_owned(),
            name: name.to_owned(),
            expires_ms: now_ms() + seconds * 1000,
        };
        let mut sessions = self.lock();
        if sessions.len() >= SESSIONS_MAX {
            let first_to_end = sessions
                .iter()
                .min_by_key(|(_, session)| session.expires_ms)
                .map(|(id, _)| id.clone());
            if let Some(id) = first_to_end {
                sessions.remove(&id);
            }
        }
        sessions.insert(session.key.id.clone(), session.clone());
        session
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers one action of who signed with `access_key_id`.
///
/// # Errors
/// `InvalidAction`, `ValidationError`.
pub(crate) fn handle(
    sessions: &Sessions,
    access_key_id: &str,
    action: &str,
    params: &QueryParams,
) -> Result<Xml, AwsError> {
    match action {
        "GetCallerIdentity" => {
            let mut xml = Xml::new();
            xml.text("Arn", sessions.arn(access_key_id))
                .text("UserId", format!("{access_key_id}:operator"))
                .text("Account", ACCOUNT);
            Ok(xml)
        }
        "AssumeRole" => assume_role(sessions, params),
        _ => Err(AwsError::invalid_action(action, "2011-06-15")),
    }
}

fn assume_role(sessions: &Sessions, params: &QueryParams) -> Result<Xml, AwsError> {
    let invalid = |message: String| AwsError::client("ValidationError", message);
    let arn = params.required("RoleArn")?;
    let name = params.required("RoleSessionName")?;
    let role = arn
        .strip_prefix(&format!("arn:aws:iam::{ACCOUNT}:role/"))
        .filter(|role| !role.is_empty())
        .ok_or_else(|| {
            AwsError::client(
                "AccessDenied",
                format!("User: arn:aws:iam::{ACCOUNT}:user/operator is not authorized to perform: sts:AssumeRole on resource: {arn}"),
            )
            .with_status(403)
        })?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if !(2..=64).contains(&name.len()) || !name.chars().all(allowed) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{name}' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*"
        )));
    }
    let seconds = match params.get("DurationSeconds").map(str::parse::<i64>) {
        None => 3_600,
        Some(Ok(seconds)) if (900..=43_200).contains(&seconds) => seconds,
        Some(_) => {
            return Err(invalid(
                "DurationSeconds must be a number between 900 and 43200".to_owned(),
            ));
        }
    };
    let session = sessions.give_out(role, name, seconds);
    let mut xml = Xml::new();
    xml.element("AssumedRoleUser", |xml| {
        xml.text("AssumedRoleId", format!("AROA{ACCOUNT}LOCAL:{name}"))
            .text("Arn", sessions.arn(&session.key.id));
    })
    .element("Credentials", |xml| {
        xml.text("AccessKeyId", &session.key.id)
            .text("SecretAccessKey", &session.key.secret)
            .optional("SessionToken", session.key.session_token.as_ref())
            .text("Expiration", iso8601(session.expires_ms));
    });
    Ok(xml)
}
