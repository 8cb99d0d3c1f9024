//! A wire in front of the API server that meddles: another time, a place that is forgotten.

use super::recorder::{Recorder, kubeconfig_of};
use serde_json::json;
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
};

/// Between a console and `kubectl proxy`. Byte for byte but for what it was told.
pub struct Meddler {
    wire: Arc<Wire>,
    kubeconfig: PathBuf,
    _proxy: Recorder,
}

#[derive(Default)]
struct Wire {
    /// Added to the time that the API server gives.
    shift_s: AtomicI64,
    /// Watches that are still to be told that their place is gone.
    forgotten: AtomicUsize,
    /// Those that were told.
    gone: AtomicUsize,
    open: Mutex<Vec<TcpStream>>,
}

impl Meddler {
    /// In front of the cluster of a kubeconfig; its files go to that folder.
    pub fn start(folder: &Path, user: &Path) -> Self {
        let proxy = Recorder::start(folder, "meddled", user);
        let text = std::fs::read_to_string(proxy.kubeconfig()).expect("a kubeconfig");
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let server = value["clusters"][0]["cluster"]["server"].as_str();
        let server = server.expect("an address").trim_start_matches("http://");
        let server = server.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let wire = Arc::new(Wire::default());
        let shared = wire.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(&server) else {
                    continue;
                };
                shared.connect(&near, &far);
            }
        });
        let path = folder.join("meddler.kubeconfig");
        let kubeconfig = kubeconfig_of(&address.to_string(), &path);
        Self {
            wire,
            kubeconfig,
            _proxy: proxy,
        }
    }

    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The API server's clock is so far ahead of the real one from now on.
    pub fn shift(&self, seconds: i64) {
        self.wire.shift_s.store(seconds, Ordering::Relaxed);
    }

    /// Cuts all connections; the next so many watches are told that their place is long forgotten.
    pub fn forget(&self, watches: usize) {
        self.wire.forgotten.store(watches, Ordering::Relaxed);
        for stream in self.wire.open.lock().expect("no panic").drain(..) {
            // One that is closed already is as good.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Answers that a place is gone.
    pub fn gone(&self) -> usize {
        self.wire.gone.load(Ordering::Relaxed)
    }
}

impl Wire {
    fn connect(self: &Arc<Self>, near: &TcpStream, far: &TcpStream) {
        let both = |stream: &TcpStream| stream.try_clone().expect("a second handle");
        self.open
            .lock()
            .expect("no panic")
            .extend([both(near), both(far)]);
        let (wire, from, to, back) = (self.clone(), both(near), both(far), both(near));
        std::thread::spawn(move || pass(from, to, |bytes| wire.ask(bytes, &back)));
        let (wire, from, to) = (self.clone(), both(far), both(near));
        std::thread::spawn(move || pass(from, to, |bytes| wire.answer(bytes)));
    }

    /// A watch's place is forgotten in the API server's own words. It cannot be made to say them: one
    /// that is young remembers all.
    fn ask(&self, bytes: Vec<u8>, mut near: &TcpStream) -> Vec<u8> {
        let line = bytes
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let line = String::from_utf8_lossy(line);
        let goes_on = line.contains("watch=true") && line.contains("resourceVersion=");
        let take = |left: usize| left.checked_sub(1);
        if !line.starts_with("GET ")
            || !goes_on
            || self
                .forgotten
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                .is_err()
        {
            return bytes;
        }
        let body = json!({"type": "ERROR", "object": {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "too old resource version: 1 (4711)", "reason": "Expired", "code": 410
        }});
        let body = format!("{body}\n");
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json";
        let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        if near.write_all(answer.as_bytes()).is_ok() {
            self.gone.fetch_add(1, Ordering::Relaxed);
        }
        Vec::new()
    }

    fn answer(&self, mut bytes: Vec<u8>) -> Vec<u8> {
        const DATE: &[u8] = b"\r\nDate: ";
        let says = |needle: &[u8]| bytes.windows(needle.len()).position(|part| part == needle);
        let shift_s = self.shift_s.load(Ordering::Relaxed);
        let Some(at) = says(DATE).filter(|_| shift_s != 0) else {
            return bytes;
        };
        let now = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(shift_s);
        let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let from = at + DATE.len();
        if let Some(place) = bytes.get_mut(from..from + date.len()) {
            place.copy_from_slice(date.as_bytes());
        }
        bytes
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if to.write_all(&change(buffer[..read].to_vec())).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
