//! The difference of two revisions' documents, field by field.

use serde::{Deserialize, Serialize};

/// One field that differs. Secret values are masked before they come here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffLine {
    /// The field's path: `containerDefinitions[api].environment[FEATURE_X]`.
    pub path: String,
    /// The old value; `None` where it was not there.
    pub from: Option<String>,
    /// The new value; `None` where it is gone.
    pub to: Option<String>,
}

/// All fields that differ, sorted by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentDiff {
    /// Empty when nothing differs.
    pub lines: Vec<DiffLine>,
}
