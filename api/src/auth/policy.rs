//! Who may do what: roles, scopes, and what each route asks for.

use std::fmt;
use std::str::FromStr;

use axum::http::Method;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// What a caller may do; each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Reads resources.
    Reader,
    /// Reads and changes resources.
    Writer,
    /// Also manages keys and sees what operators see.
    Admin,
}

impl Role {
    /// The role as it is written and stored.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Writer => "writer",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Reader, Self::Writer, Self::Admin]
            .into_iter()
            .find(|role| role.name() == text)
            .ok_or_else(|| format!("{text:?} is not a role; use reader, writer or admin"))
    }
}

/// One right. A credential has it when its role reaches so far and, where the credential
/// names scopes, this one is among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) enum Scope {
    /// Read items.
    #[serde(rename = "items:read")]
    ItemsRead,
    /// Make, change and delete items.
    #[serde(rename = "items:write")]
    ItemsWrite,
    /// Read prompts, locations, jobs and what they made.
    #[serde(rename = "content:read")]
    ContentRead,
    /// Change prompts and locations, start and cancel jobs.
    #[serde(rename = "content:write")]
    ContentWrite,
    /// Everything under `/admin`.
    #[serde(rename = "admin")]
    Admin,
}

impl Scope {
    const ALL: [Self; 5] = [
        Self::ItemsRead,
        Self::ItemsWrite,
        Self::ContentRead,
        Self::ContentWrite,
        Self::Admin,
    ];

    /// The scope as it is written and stored.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ItemsRead => "items:read",
            Self::ItemsWrite => "items:write",
            Self::ContentRead => "content:read",
            Self::ContentWrite => "content:write",
            Self::Admin => "admin",
        }
    }

    /// The first role that has it.
    pub(crate) fn least_role(self) -> Role {
        match self {
            Self::ItemsRead | Self::ContentRead => Role::Reader,
            Self::ItemsWrite | Self::ContentWrite => Role::Writer,
            Self::Admin => Role::Admin,
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// Some scopes; small, since every request carries its caller's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Scopes(u8);

impl Scopes {
    /// The scopes in a list; repeated ones count once.
    pub(crate) fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |bits, scope| bits | scope.bit()))
    }

    /// Whether this one is among them.
    pub(crate) fn contain(self, scope: Scope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Each of them, in a fixed order.
    pub(crate) fn iter(self) -> impl Iterator<Item = Scope> {
        Scope::ALL
            .into_iter()
            .filter(move |scope| self.contain(*scope))
    }
}

/// As they are stored: names with blanks between (RFC 6749 §3.3).
impl fmt::Display for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.iter().map(Scope::name).collect();
        formatter.write_str(&names.join(" "))
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.iter()).finish()
    }
}

impl FromStr for Scopes {
    type Err = String;

    /// A scope that a later release stored opens nothing here and is left out.
    fn from_str(text: &str) -> Result<Self, String> {
        let known: Vec<_> = text
            .split_whitespace()
            .filter_map(|name| Scope::ALL.into_iter().find(|scope| scope.name() == name))
            .collect();
        Ok(Self::of(&known))
    }
}

impl Serialize for Scopes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::<Scope>::deserialize(deserializer).map(|scopes| Self::of(&scopes))
    }
}

/// What a route asks of its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone may.
    Open,
    /// Only those with this right.
    Scope(Scope),
}

/// What the policy says of a route, given as its pattern.
pub(crate) fn required_access(method: &Method, route: &str) -> Access {
    const OPEN: [&str; 11] = [
        "/",
        "/api/hello",
        "/livez",
        "/readyz",
        "/health",
        "/version",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/docs/",
        "/docs/{file}",
    ];
    let reads = method == Method::GET || method == Method::HEAD;
    if OPEN.contains(&route) {
        return Access::Open;
    }
    let first = route.split('/').nth(1).unwrap_or_default();
    Access::Scope(match (first, reads) {
        ("admin", _) => Scope::Admin,
        ("prompts" | "locations" | "jobs", true) => Scope::ContentRead,
        ("prompts" | "locations" | "jobs", false) => Scope::ContentWrite,
        (_, true) => Scope::ItemsRead,
        (_, false) => Scope::ItemsWrite,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_route_asks_for_the_least_right_that_does() {
        let asks = |method, route| required_access(&method, route);
        assert_eq!(asks(Method::GET, "/"), Access::Open);
        assert_eq!(asks(Method::GET, "/readyz"), Access::Open);
        for (method, route, scope) in [
            (Method::GET, "/items/{id}", Scope::ItemsRead),
            (Method::HEAD, "/items", Scope::ItemsRead),
            (Method::POST, "/items", Scope::ItemsWrite),
            (Method::GET, "/jobs/{id}", Scope::ContentRead),
            (Method::POST, "/jobs", Scope::ContentWrite),
            (Method::GET, "/admin/keys", Scope::Admin),
        ] {
            assert_eq!(asks(method, route), Access::Scope(scope), "{route}");
        }
        assert!(Role::Reader < Role::Writer && Role::Writer < Role::Admin);
    }

    #[test]
    fn scopes_come_back_as_they_were_stored() {
        let scopes = Scopes::of(&[Scope::ItemsWrite, Scope::ItemsRead, Scope::ItemsRead]);
        assert_eq!(scopes.to_string(), "items:read items:write");
        assert_eq!(scopes.to_string().parse(), Ok(scopes));
        assert_eq!(
            "items:read stars:polish".parse(),
            Ok(Scopes::of(&[Scope::ItemsRead]))
        );
        assert!(serde_json::from_str::<Scopes>(r#"["stars:polish"]"#).is_err());
    }

    #[test]
    fn scopes_are_written_and_read_by_one_name() {
        for scope in Scope::ALL {
            assert_eq!(serde_json::json!(scope), scope.name());
        }
    }
}
