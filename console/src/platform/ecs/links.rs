//! Pages of the AWS console, for `o`.

use super::EcsPlatform;
use crate::platform::LinkTarget;

impl EcsPlatform {
    pub(super) fn link(&self, of: &LinkTarget) -> Option<String> {
        if let LinkTarget::Runbook = of {
            return self.environment.runbook.clone();
        }
        // The local cloud has no web console.
        if self.config.local || self.config.endpoint_url.is_some() {
            return None;
        }
        let region = &self.config.region;
        let console = if region.starts_with("cn-") {
            format!("https://{region}.console.amazonaws.cn")
        } else if region.starts_with("us-gov-") {
            format!("https://{region}.console.amazonaws-us-gov.com")
        } else {
            format!("https://{region}.console.aws.amazon.com")
        };
        let cluster = format!("{console}/ecs/v2/clusters/{}", escape(&self.config.cluster));
        let service = format!("{cluster}/services/{}", escape(&self.config.service));
        Some(match of {
            LinkTarget::Service => format!("{service}/health?region={region}"),
            LinkTarget::Rollout(id) => {
                let id = id.rsplit('/').next().unwrap_or(id);
                format!("{service}/deployments/{}?region={region}", escape(id))
            }
            LinkTarget::Instance(id) => {
                format!(
                    "{cluster}/tasks/{}/configuration?region={region}",
                    escape(id.as_str())
                )
            }
            LinkTarget::Alarm(name) => {
                format!(
                    "{console}/cloudwatch/home?region={region}#alarmsV2:alarm/{}",
                    escape(name)
                )
            }
            LinkTarget::Runbook => return None,
        })
    }
}

/// Percent-encodes all but the unreserved characters (RFC 3986 §2.3).
fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn a_name_cannot_leave_its_place_in_an_address() {
        assert_eq!(escape("a b/../c#d?é"), "a%20b%2F..%2Fc%23d%3F%C3%A9");
    }
}
