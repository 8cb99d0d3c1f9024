//! The parameters of an awsQuery request: `Filters.member.1.Name=…` read as a tree.

use serde_json::{Map, Value};

use super::AwsError;

/// The form parameters of one awsQuery request, in the order they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryParams {
    pairs: Vec<(String, String)>,
}

impl QueryParams {
    /// Reads an `application/x-www-form-urlencoded` body.
    pub fn parse(body: &[u8]) -> Self {
        Self {
            pairs: form_urlencoded::parse(body)
                .map(|(k, v)| (k.into_owned(), v.into_owned()))
                .collect(),
        }
    }

    /// The value of one parameter, such as `Action`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(k, _)| k == name)
            .map(|(_, v)| v.as_str())
    }

    /// The value of a parameter that the action cannot do without.
    ///
    /// # Errors
    /// `ValidationError` when it is missing or empty.
    pub fn required(&self, name: &str) -> Result<&str, AwsError> {
        self.get(name).filter(|v| !v.is_empty()).ok_or_else(|| {
            AwsError::client(
                "ValidationError",
                format!("1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"),
            )
        })
    }

    /// The values of a list of scalars: `LoadBalancerArns.member.1`, `.2`, … in their order.
    pub fn list(&self, name: &str) -> Vec<&str> {
        let prefix = format!("{name}.member.");
        let mut numbered: Vec<(u32, &str)> = self
            .pairs
            .iter()
            .filter_map(|(k, v)| {
                let index = k.strip_prefix(&prefix)?.parse().ok()?;
                Some((index, v.as_str()))
            })
            .collect();
        numbered.sort_by_key(|(index, _)| *index);
        numbered.into_iter().map(|(_, v)| v).collect()
    }

    /// All parameters as one JSON tree: dotted names become objects, `member.N` becomes lists,
    /// and every leaf is a string. `Action` and `Version` are left out.
    pub fn to_tree(&self) -> Value {
        let mut root = Node::default();
        for (name, value) in &self.pairs {
            if name == "Action" || name == "Version" {
                continue;
            }
            let mut node = &mut root;
            for part in name.split('.') {
                node = node.child(part);
            }
            node.leaf = Some(value.clone());
        }
        root.into_value()
    }
}

/// A tree under construction: AWS numbers list members, so children keep their names until the
/// whole request has been read.
#[derive(Default)]
struct Node {
    leaf: Option<String>,
    children: Vec<(String, Node)>,
}

impl Node {
    fn child(&mut self, name: &str) -> &mut Node {
        let index = match self.children.iter().position(|(n, _)| n == name) {
            Some(index) => index,
            None => {
                self.children.push((name.to_owned(), Node::default()));
                self.children.len() - 1
            }
        };
        &mut self.children[index].1
    }

    fn into_value(mut self) -> Value {
        if self.children.is_empty() {
            return self.leaf.map_or(Value::Object(Map::new()), Value::String);
        }
        if self.children.len() == 1 && self.children[0].0 == "member" {
            let (_, members) = self.children.remove(0);
            let mut numbered: Vec<(u32, Node)> = members
                .children
                .into_iter()
                .filter_map(|(n, node)| Some((n.parse().ok()?, node)))
                .collect();
            numbered.sort_by_key(|(n, _)| *n);
            return numbered.into_iter().map(|(_, n)| n.into_value()).collect();
        }
        Value::Object(
            self.children
                .into_iter()
                .map(|(name, node)| (name, node.into_value()))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dotted_names_become_a_tree_with_lists_in_their_order() {
        let params = QueryParams::parse(
            b"Action=X&Version=2010-08-01&Namespace=N&D.member.2.Name=b&D.member.1.Name=a&S.member.1=one%20two",
        );
        assert_eq!(
            params.to_tree(),
            json!({"Namespace": "N", "D": [{"Name": "a"}, {"Name": "b"}], "S": ["one two"]})
        );
        assert_eq!(params.list("S"), ["one two"]);
        assert!(params.required("Missing").is_err());
    }
}
