//! Requests to the API's pods, each over a connection of its own.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// The port of the chart's pods.
pub const PORT: u16 = 8080;

/// An answer's status and body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// Asks a pod; `None` when no whole answer came.
pub fn ask(address: &str, method: &str, path: &str, id: &str, body: &str) -> Option<Answer> {
    let address: SocketAddr = format!("{address}:{PORT}").parse().ok()?;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .ok()?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\nx-request-id: {id}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some(Answer {
        status: head.split(' ').nth(1)?.parse().ok()?,
        body: body.to_owned(),
    })
}

/// A GET that must be answered.
pub fn get(address: &str, path: &str) -> Answer {
    ask(address, "GET", path, "test", "").unwrap_or_else(|| panic!("{address}{path}: no answer"))
}

/// Stores an item; its id.
pub fn store(address: &str, name: &str) -> String {
    let body = format!("{{\"name\":\"{name}\"}}");
    let answer = ask(address, "POST", "/items", "test", &body).expect("an answer");
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.json()["id"].as_str().expect("an id").to_owned()
}
