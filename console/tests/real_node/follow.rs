//! Logs of all pods through rollouts: each request writes one line, and each line comes once.

use super::{
    api,
    postgres::Postgres,
    room::{Room, eventually},
    running::Running,
};
use serde_json::Value;
use std::{
    collections::{HashMap, HashSet},
    fs::File,
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

/// Senders of requests, until told to end.
struct Load {
    end: Arc<AtomicBool>,
    addresses: Arc<Mutex<Vec<String>>>,
    threads: Vec<JoinHandle<Vec<(String, bool)>>>,
}

impl Load {
    /// So many senders, about 40 requests a second each, round the pods that serve.
    fn start(senders: usize) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let addresses: Arc<Mutex<Vec<String>>> = Arc::default();
        let threads = (0..senders)
            .map(|sender| {
                let (end, addresses) = (end.clone(), addresses.clone());
                std::thread::spawn(move || {
                    let mut sent = Vec::new();
                    while !end.load(Ordering::Relaxed) {
                        let pods = addresses.lock().expect("a list").clone();
                        if let Some(address) = pods.get(sent.len() % pods.len().max(1)) {
                            let id = format!("follow-{sender}-{}", sent.len());
                            let answer = api::ask(address, "GET", "/items", &id, "");
                            sent.push((id, answer.is_some()));
                        }
                        std::thread::sleep(Duration::from_millis(25));
                    }
                    sent
                })
            })
            .collect();
        Self {
            end,
            addresses,
            threads,
        }
    }

    fn goes_to(&self, pods: Vec<(String, String)>) {
        let addresses = pods.into_iter().map(|(_, address)| address).collect();
        *self.addresses.lock().expect("a list") = addresses;
    }

    /// Ids of the requests, and whether each was answered.
    fn end(self) -> Vec<(String, bool)> {
        self.end.store(true, Ordering::Relaxed);
        let sent = self.threads.into_iter();
        sent.flat_map(|thread| thread.join().expect("a sender"))
            .collect()
    }
}

#[test]
fn the_logs_of_all_pods_are_followed_through_rollouts_without_a_gap() {
    let Some(room) = Room::new("follow") else {
        return;
    };
    let Some(postgres) = Postgres::start() else {
        return;
    };
    postgres.tell(&room);
    let values = [
        "database.kind=postgres",
        "database.postgres.existingSecret=db",
        "replicaCount=3",
    ];
    room.upgrade("1.0.0", &values).ok();

    let path = room.home().join("followed");
    let mut follower = room.console_command(&["logs", "--follow", "--output", "json"]);
    let following = follower
        .stdout(File::create(&path).expect("a file"))
        .stderr(Stdio::inherit())
        .spawn();
    let _following = Running(following.expect("the console starts"));
    let followed = || -> HashMap<String, Vec<String>> {
        let text = std::fs::read_to_string(&path).expect("text");
        let mut by_id: HashMap<String, Vec<String>> = HashMap::new();
        for line in text.lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else {
                continue;
            };
            // Whatever else is told of a request bears its id, too.
            let is_its_line = line["fields"]["message"] == "request";
            if let Some(id) = line["fields"]["request_id"]
                .as_str()
                .filter(|_| is_its_line)
            {
                let stream = line["stream"].as_str().unwrap_or_default().to_owned();
                by_id.entry(id.to_owned()).or_default().push(stream);
            }
        }
        by_id
    };

    let load = Load::start(3);
    load.goes_to(room.serving());
    eventually("lines come", || {
        followed().keys().any(|id| id.starts_with("follow-"))
    });
    for change in [&["deploy", "1.1.0"][..], &["deploy", "1.2.0"], &["restart"]] {
        let mut changing = room
            .console_command(&[change, &["--yes"]].concat())
            .stdout(Stdio::null())
            .spawn()
            .expect("the console starts");
        let status = loop {
            load.goes_to(room.serving());
            if let Some(status) = changing.try_wait().expect("a status") {
                break status;
            }
            std::thread::sleep(Duration::from_millis(100));
        };
        assert_eq!(status.code(), Some(0), "{change:?}");
        let serving = room.serving();
        load.goes_to(serving.clone());
        eventually("lines of each new pod come", || {
            let streams: HashSet<String> = followed().into_values().flatten().collect();
            serving
                .iter()
                .all(|(pod, _)| streams.contains(&format!("{pod}/api")))
        });
    }
    let sent = load.end();
    let answered: Vec<&String> = sent
        .iter()
        .filter(|(_, ok)| *ok)
        .map(|(id, _)| id)
        .collect();
    assert!(answered.len() > 500, "{} requests", answered.len());

    eventually("each request's line has come", || {
        let seen = followed();
        answered.iter().all(|id| seen.contains_key(*id))
    });
    let seen = followed();
    for (id, _) in &sent {
        let times = seen.get(id).map_or(0, Vec::len);
        assert!(times <= 1, "{id} came {times} times: {:?}", seen[id]);
    }
    let streams: HashSet<&String> = seen.values().flatten().collect();
    assert!(streams.len() >= 12, "pods of each release: {streams:?}");
    eprintln!(
        "{} requests answered, each line once, from {} pods",
        answered.len(),
        streams.len()
    );
}
