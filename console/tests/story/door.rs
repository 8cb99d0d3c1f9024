//! The local cloud's own door: faults to inject, and the journal of the mutating calls that
//! arrived. Signed, as everything that the local cloud answers.

use super::laboratory::Laboratory;
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, SystemTime},
};

pub struct Door {
    /// What `local env` exports.
    pub exports: BTreeMap<String, String>,
}

impl Door {
    /// The door of a laboratory whose local cloud is up.
    pub fn of(laboratory: &Laboratory) -> Self {
        let exports = laboratory
            .ok(&["local", "env"])
            .stdout
            .lines()
            .filter_map(|line| line.strip_prefix("export ")?.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self { exports }
    }

    pub fn url(&self) -> &str {
        &self.exports["AWS_ENDPOINT_URL"]
    }

    /// Injects a fault: `{"kind": "throttle", "service": "ecs"}`.
    pub fn inject(&self, fault: Value) {
        self.ask(
            "sts",
            "POST",
            "/_opsconsole/faults",
            &[],
            &fault.to_string(),
        );
    }

    /// Ends all faults.
    pub fn mend(&self) {
        self.ask("sts", "DELETE", "/_opsconsole/faults", &[], "");
    }

    /// Forgets the calls so far.
    pub fn forget(&self) {
        self.ask("sts", "DELETE", "/_opsconsole/journal", &[], "");
    }

    /// The mutating calls since then, as `ecs:UpdateService`.
    pub fn mutations(&self) -> Vec<String> {
        let journal = self.ask("sts", "GET", "/_opsconsole/journal", &[], "");
        let journal: Value = serde_json::from_str(&journal).expect("JSON");
        journal["calls"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|call| {
                let part = |key: &str| call[key].as_str().unwrap_or_default().to_owned();
                format!("{}:{}", part("service"), part("operation"))
            })
            .collect()
    }

    /// Puts an object.
    pub fn put_object(&self, path: &str, body: &str) {
        self.ask("s3", "PUT", path, &[], body);
    }

    /// Writes one log event, as another program would.
    pub fn put_log_event(&self, group: &str, stream: &str, message: &str) {
        let now = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("after 1970")
            .as_millis();
        let body = json!({
            "logGroupName": group,
            "logStreamName": stream,
            "logEvents": [{ "timestamp": now as u64, "message": message }],
        });
        let headers = [
            ("content-type", "application/x-amz-json-1.1"),
            ("x-amz-target", "Logs_20140328.PutLogEvents"),
        ];
        self.ask("logs", "POST", "/", &headers, &body.to_string());
    }

    /// Sends a signed request; its answer's body. Anything but a success fails the test.
    fn ask(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> String {
        let address = self.url().trim_start_matches("http://");
        let identity = Credentials::new(
            &self.exports["AWS_ACCESS_KEY_ID"],
            &self.exports["AWS_SECRET_ACCESS_KEY"],
            None,
            None,
            "test",
        )
        .into();
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let params = v4::SigningParams::builder()
            .region("us-east-1")
            .name(service)
            .time(SystemTime::now())
            .settings(settings)
            .identity(&identity)
            .build()
            .expect("params")
            .into();
        let plain: Vec<(&str, &str)> = [("host", address)]
            .into_iter()
            .chain(headers.iter().copied())
            .collect();
        let request = SignableRequest::new(
            method,
            path,
            plain.iter().copied(),
            SignableBody::Bytes(body.as_bytes()),
        )
        .expect("a request");
        let (signed, _) = sign(request, &params).expect("signed").into_parts();
        let mut text = format!("{method} {path} HTTP/1.1\r\n");
        let all = plain
            .iter()
            .copied()
            .chain(signed.headers())
            .chain([("connection", "close")]);
        for (name, value) in all {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        let mut stream = TcpStream::connect(address).expect("the local cloud answers");
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .expect("a timeout");
        stream.write_all(text.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        assert!(head.starts_with("HTTP/1.1 2"), "{method} {path}: {answer}");
        body.to_owned()
    }
}
