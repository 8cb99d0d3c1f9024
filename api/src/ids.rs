//! Public ids of resources: UUID version 7, so that neighbours in time are neighbours on disk.

use uuid::Uuid;

/// Makes a type for the ids of one kind of resource, so that two kinds cannot be mixed up.
macro_rules! resource_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(into = "String", try_from = "String")]
        pub(crate) struct $name(uuid::Uuid);

        impl $name {
            /// A new id.
            pub(crate) fn new() -> Self {
                Self($crate::ids::fresh())
            }

            /// The id as the type that databases know.
            pub(crate) fn uuid(self) -> uuid::Uuid {
                self.0
            }

            /// Reads an id as it is written; nothing if none can be written so.
            pub(crate) fn parse(text: &str) -> Option<Self> {
                uuid::Uuid::try_parse(text).ok().map(Self)
            }
        }

        impl From<uuid::Uuid> for $name {
            fn from(id: uuid::Uuid) -> Self {
                Self(id)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                Self::parse(&text).ok_or_else(|| format!(concat!("{:?} is not the id of a ", $kind), text))
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}
pub(crate) use resource_id;

/// A new id of any kind.
pub(crate) fn fresh() -> Uuid {
    Uuid::now_v7()
}
