//! A small XML builder: elements in order, text escaped, nothing else.

use serde_json::Value;

/// A piece of XML under construction.
///
/// ```
/// use opsconsole_local_cloud::protocol::Xml;
/// let mut xml = Xml::new();
/// xml.element("Targets", |xml| {
///     xml.text("Id", "10.0.0.1");
///     xml.text("Port", 8080);
/// });
/// assert_eq!(xml.as_str(), "<Targets><Id>10.0.0.1</Id><Port>8080</Port></Targets>");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Xml {
    out: String,
}

impl Xml {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// `<name>…</name>` with what `children` adds.
    pub fn element(&mut self, name: &str, children: impl FnOnce(&mut Self)) -> &mut Self {
        self.open(name);
        children(self);
        self.close(name)
    }

    /// `<name>text</name>`, escaped.
    pub fn text(&mut self, name: &str, text: impl ToString) -> &mut Self {
        self.open(name);
        escape_into(&mut self.out, &text.to_string());
        self.close(name)
    }

    /// `<name>text</name>` when there is a text, nothing otherwise.
    pub fn optional(&mut self, name: &str, text: Option<impl ToString>) -> &mut Self {
        if let Some(text) = text {
            self.text(name, text);
        }
        self
    }

    /// `<name><member>…</member><member>…</member></name>`: a list as awsQuery writes it.
    pub fn members<T>(
        &mut self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        mut each: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        self.element(name, |xml| {
            for item in items {
                xml.element("member", |xml| each(xml, item));
            }
        })
    }

    /// The children of a JSON object as elements, lists as `<member>`s; null is left out.
    pub fn tree(&mut self, value: &Value) -> &mut Self {
        match value {
            Value::Null => {}
            Value::Object(map) => {
                for (name, child) in map.iter().filter(|(_, v)| !v.is_null()) {
                    self.element(name, |xml| {
                        xml.tree(child);
                    });
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.element("member", |xml| {
                        xml.tree(item);
                    });
                }
            }
            Value::String(text) => escape_into(&mut self.out, text),
            other => self.out.push_str(&other.to_string()),
        }
        self
    }

    /// What has been written.
    pub fn as_str(&self) -> &str {
        &self.out
    }

    /// What has been written, as the owner.
    pub fn into_string(self) -> String {
        self.out
    }

    fn open(&mut self, name: &str) {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
    }

    fn close(&mut self, name: &str) -> &mut Self {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
        self
    }
}

fn escape_into(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML 1.0 has no way to write other control characters.
            c if c.is_control() && !matches!(c, '\n' | '\r' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
}
