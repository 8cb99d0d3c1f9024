//! The tasks of an environment share one SQLite file.

use std::collections::HashSet;

use futures::future::{join_all, try_join_all};
use hyper::{Method, StatusCode};

use crate::support::{Api, Start, database, request};

const PROCESSES: usize = 4;

async fn ids(api: &Api) -> Vec<String> {
    let mut ids = Vec::new();
    let mut path = "/items?limit=100".to_owned();
    loop {
        let page = api.get(&path).await.json();
        let items = page["items"].as_array().expect("items");
        ids.extend(items.iter().map(|item| item["id"].to_string()));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("/items?limit=100&cursor={cursor}"),
            None => return ids,
        }
    }
}

#[tokio::test]
async fn four_processes_that_start_at_once_migrate_a_new_database_once() {
    for _ in 0..10 {
        let (_folder, path) = database();
        let apis = join_all((0..PROCESSES).map(|_| Start::on(&path).listening())).await;
        for api in &apis {
            api.process
                .line(|line| line["message"] == "schema is up to date")
                .await;
            let posted = api.post_item(r#"{"name": "a"}"#).await;
            assert_eq!(posted.status, StatusCode::CREATED);
            let lines = api.process.lines();
            // Waiting for one another is silent; colliding and trying again is not.
            let complaint = lines.iter().find(|line| line["level"] != "INFO");
            assert!(complaint.is_none(), "{complaint:?}");
        }
        assert_eq!(ids(&apis[0]).await.len(), PROCESSES);
    }
}

#[tokio::test]
async fn four_processes_write_one_file_and_lose_nothing() {
    const CALLERS: usize = 4;
    const ITEMS: usize = 25;
    let (_folder, path) = database();
    let apis = join_all((0..PROCESSES).map(|_| Start::on(&path).ready())).await;
    let writers = apis.iter().flat_map(|api| {
        (0..CALLERS).map(move |caller| async move {
            for number in 0..ITEMS {
                let body = format!(r#"{{"name": "caller {caller}, item {number}"}}"#);
                let answer = api.try_send(request(Method::POST, "/items", body)).await?;
                if answer.status != StatusCode::CREATED {
                    return Err(format!("{answer:?}"));
                }
            }
            Ok(())
        })
    });
    try_join_all(writers).await.expect("every write succeeds");

    let seen = ids(&apis[0]).await;
    assert_eq!(seen.len(), PROCESSES * CALLERS * ITEMS);
    assert_eq!(seen.iter().collect::<HashSet<_>>().len(), seen.len());
    for api in &apis[1..] {
        assert_eq!(ids(api).await, seen, "all processes see the same");
    }
}

#[tokio::test]
async fn the_death_of_one_process_does_not_disturb_the_others() {
    let (_folder, path) = database();
    let mut apis = join_all((0..2).map(|_| Start::on(&path).ready())).await;
    let victim = apis.pop().expect("two");
    let posted = victim.post_item(r#"{"name": "acknowledged"}"#).await;
    assert_eq!(posted.status, StatusCode::CREATED);
    victim.process.signal(nix::sys::signal::Signal::SIGKILL);
    drop(victim);

    let survivor = &apis[0];
    let read = survivor.get(posted.header("location")).await;
    assert_eq!(read.json(), posted.json());
    let more = survivor.post_item(r#"{"name": "more"}"#).await;
    assert_eq!(more.status, StatusCode::CREATED);
}
