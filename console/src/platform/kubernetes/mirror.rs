//! What hangs on the Deployment, kept up to date by watching instead of listing.
//!
//! ReplicaSets and pods by its selector, events by its name. A watch that breaks goes on from where
//! it was; one whose place the API server forgot (410) is listed anew. While a kind is not in step
//! its reader lists instead, and so meets the error itself, if there still is one. After refused
//! credentials the session makes another link, and the watches are started anew with it.

use super::{
    KubernetesPlatform,
    scene::{self, selector_text},
    session::{Link, Session, op},
};
use crate::platform::PlatformError;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::{Deployment, ReplicaSet},
        core::v1::{Event, Pod},
    },
};
use kube::{
    Api, Resource, ResourceExt,
    api::ListParams,
    runtime::{
        WatchStreamExt,
        reflector::{self, Lookup, Store, store::Writer},
        watcher::{self, watcher},
    },
};
use serde::de::DeserializeOwned;
use std::{
    collections::BTreeMap,
    fmt::Debug,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

/// A watch is asked for so long at a time, so that one whose connection died unnoticed is not
/// believed for longer.
const WATCH_S: u32 = 90;
/// After an error.
const AGAIN: Duration = Duration::from_secs(1);
/// The first lists: a reader waits for them so long, then it lists by itself.
const READY_WITHIN: Duration = Duration::from_secs(5);
/// Events kept. A cluster keeps an hour of them; only the newest explain anything.
const EVENTS_MAX: usize = 1_000;
/// A reader that waits for a change looks again after so long: a watch may be broken.
const LOOK_AGAIN: Duration = Duration::from_secs(3);

/// Whoever goes through all pods at each change does so this often at most.
const SWARM: Duration = Duration::from_millis(100);

/// The watches of one Deployment. They run from the first look until it is dropped.
pub struct Mirror {
    session: Arc<Session>,
    running: Mutex<Option<Arc<Watches>>>,
    changes: watch::Sender<u64>,
}

/// How one kind stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Listing,
    Current,
    Broken,
}

/// What the watches were started for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Subject {
    link: u64,
    name: String,
    selector: String,
}

struct Watches {
    subject: Subject,
    sets: (Store<ReplicaSet>, watch::Receiver<Step>),
    pods: (Store<Pod>, watch::Receiver<Step>),
    events: (Arc<Mutex<Book>>, watch::Receiver<Step>),
    /// Ends with the watches.
    _tasks: JoinSet<()>,
}

/// Events by uid.
#[derive(Debug, Default)]
struct Book {
    held: BTreeMap<String, Event>,
    listing: BTreeMap<String, Event>,
}

/// Tells when something changed.
pub struct Changes(watch::Receiver<u64>);

impl Changes {
    /// Waits for a change, or for a while. Changes come in swarms: one word for each.
    pub async fn changed(&mut self) {
        let Ok(changed) = timeout(LOOK_AGAIN, self.0.changed()).await else {
            return;
        };
        if changed.is_err() {
            sleep(LOOK_AGAIN).await;
            return;
        }
        sleep(SWARM).await;
        self.0.mark_unchanged();
    }
}

impl Mirror {
    /// Nothing is watched yet.
    pub fn new(session: Arc<Session>) -> Self {
        Self {
            session,
            running: Mutex::new(None),
            changes: watch::Sender::new(0),
        }
    }

    /// Tells of changes from now on.
    pub fn changes(&self) -> Changes {
        Changes(self.changes.subscribe())
    }

    /// The Deployment's ReplicaSets, pods and events.
    pub async fn around(
        &self,
        platform: &KubernetesPlatform,
        link: &Link,
        deployment: &Deployment,
    ) -> Result<(Vec<ReplicaSet>, Vec<Arc<Pod>>, Vec<Event>), PlatformError> {
        let watches = self.watch(link, deployment);
        let deadline = Instant::now() + READY_WITHIN;
        let [sets_ready, pods_ready, events_ready] = [
            is_in_step(&watches.sets.1, deadline).await,
            is_in_step(&watches.pods.1, deadline).await,
            is_in_step(&watches.events.1, deadline).await,
        ];
        let selected = ListParams::default().labels(&watches.subject.selector);
        let sets = if sets_ready {
            owned(&watches.sets.0)
        } else {
            let api = Api::namespaced(link.client.clone(), &link.namespace);
            platform.list(&api, "replicasets", &selected).await?
        };
        let pods = if pods_ready {
            watches.pods.0.state()
        } else {
            let api = Api::namespaced(link.client.clone(), &link.namespace);
            let listed = platform.list(&api, "pods", &selected).await?;
            listed.into_iter().map(Arc::new).collect()
        };
        let events = if events_ready {
            let book = watches.events.0.lock();
            let book = book.unwrap_or_else(PoisonError::into_inner);
            book.held.values().cloned().collect()
        } else {
            platform.recent_events(link).await?
        };
        Ok((sets, pods, events))
    }

    /// The Deployment's pods. Asks the API server only when the watch is not in step.
    pub async fn pods(
        &self,
        platform: &KubernetesPlatform,
    ) -> Result<Vec<Arc<Pod>>, PlatformError> {
        let running = || {
            let running = self.running.lock();
            running.unwrap_or_else(PoisonError::into_inner).clone()
        };
        if let Some(watches) = running()
            && *watches.pods.1.borrow() == Step::Current
        {
            return Ok(watches.pods.0.state());
        }
        let link = self.session.link().await?;
        let deployment = platform.deployment(&link).await?;
        let watches = self.watch(&link, &deployment);
        if is_in_step(&watches.pods.1, Instant::now() + READY_WITHIN).await {
            return Ok(watches.pods.0.state());
        }
        let selected = ListParams::default().labels(&watches.subject.selector);
        let api = Api::namespaced(link.client.clone(), &link.namespace);
        let listed = platform.list(&api, "pods", &selected).await?;
        Ok(listed.into_iter().map(Arc::new).collect())
    }

    /// The watches for that Deployment over that link, started if need be.
    fn watch(&self, link: &Link, deployment: &Deployment) -> Arc<Watches> {
        let subject = Subject {
            link: link.number,
            name: deployment.name_any(),
            selector: deployment
                .spec
                .as_ref()
                .map(|spec| selector_text(&spec.selector))
                .unwrap_or_default(),
        };
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(watches) = &*running
            && watches.subject == subject
        {
            return watches.clone();
        }
        let watches = Arc::new(self.start(link, subject));
        *running = Some(watches.clone());
        watches
    }

    fn start(&self, link: &Link, subject: Subject) -> Watches {
        let mut tasks = JoinSet::new();
        let selected = watcher::Config::default()
            .labels(&subject.selector)
            .timeout(WATCH_S);
        let keeper = |step| Keeper {
            session: self.session.clone(),
            step,
            changes: self.changes.clone(),
        };
        let (sets, writer) = reflector::store();
        let (step, sets_step) = watch::channel(Step::Listing);
        tasks.spawn(keeper(step).keep::<ReplicaSet>(
            Api::namespaced(link.client.clone(), &link.namespace),
            selected.clone(),
            writer,
            "replicasets",
            |_| {},
        ));
        let (pods, writer) = reflector::store();
        let (step, pods_step) = watch::channel(Step::Listing);
        tasks.spawn(keeper(step).keep::<Pod>(
            Api::namespaced(link.client.clone(), &link.namespace),
            selected,
            writer,
            "pods",
            // Half of a pod's size, and nobody here reads it.
            |pod| pod.metadata.managed_fields = None,
        ));
        let book = Arc::new(Mutex::new(Book::default()));
        let (step, events_step) = watch::channel(Step::Listing);
        tasks.spawn(keeper(step).keep_events(
            Api::namespaced(link.client.clone(), &link.namespace),
            subject.name.clone(),
            book.clone(),
        ));
        Watches {
            subject,
            sets: (sets, sets_step),
            pods: (pods, pods_step),
            events: (book, events_step),
            _tasks: tasks,
        }
    }
}

fn owned<K>(store: &Store<K>) -> Vec<K>
where
    K: Lookup + Clone + 'static,
    K::DynamicType: Eq + Hash + Clone,
{
    store
        .state()
        .iter()
        .map(|object| (**object).clone())
        .collect()
}

async fn is_in_step(step: &watch::Receiver<Step>, deadline: Instant) -> bool {
    let mut step = step.clone();
    let listed = step.wait_for(|step| *step != Step::Listing);
    match tokio::time::timeout_at(deadline, listed).await {
        Ok(Ok(step)) => *step == Step::Current,
        _ => false,
    }
}

/// Keeps one kind in step.
struct Keeper {
    session: Arc<Session>,
    step: watch::Sender<Step>,
    changes: watch::Sender<u64>,
}

impl Keeper {
    async fn keep<K>(
        self,
        api: Api<K>,
        config: watcher::Config,
        writer: Writer<K>,
        resource: &'static str,
        trim: fn(&mut K),
    ) where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + Sync
            + 'static,
    {
        let stream = watcher(api, config).modify(trim).reflect(writer);
        let mut stream = std::pin::pin!(stream);
        loop {
            match stream.next().await {
                Some(Ok(event)) => self.note(&event),
                Some(Err(error)) => self.broken(resource, error).await,
                None => return,
            }
        }
    }

    async fn keep_events(self, api: Api<Event>, of: String, book: Arc<Mutex<Book>>) {
        let config = watcher::Config::default().timeout(WATCH_S);
        // Pods and ReplicaSets bear the Deployment's name in front of their own.
        let is_ours = |event: &Event| {
            let name = event.involved_object.name.as_deref();
            name.is_some_and(|name| name.starts_with(&of))
        };
        let mut stream = std::pin::pin!(watcher(api, config).into_stream());
        loop {
            match stream.next().await {
                Some(Ok(event)) => {
                    let is_ours = match &event {
                        watcher::Event::Apply(event)
                        | watcher::Event::Delete(event)
                        | watcher::Event::InitApply(event) => is_ours(event),
                        watcher::Event::Init | watcher::Event::InitDone => true,
                    };
                    if is_ours {
                        let book = book.lock();
                        book.unwrap_or_else(PoisonError::into_inner).note(&event);
                        self.note(&event);
                    }
                }
                Some(Err(error)) => self.broken("events", error).await,
                None => return,
            }
        }
    }

    fn note<K>(&self, event: &watcher::Event<K>) {
        match event {
            watcher::Event::Init | watcher::Event::InitApply(_) => return,
            watcher::Event::InitDone => {}
            watcher::Event::Apply(_) | watcher::Event::Delete(_) => {}
        }
        self.step.send_if_modified(|step| {
            let is_other = *step != Step::Current;
            *step = Step::Current;
            is_other
        });
        self.changes.send_modify(|number| *number += 1);
    }

    /// What is held stays, for the log of what was; nobody takes it for the present.
    async fn broken(&self, resource: &'static str, error: watcher::Error) {
        let (verb, error) = match error {
            watcher::Error::InitialListFailed(error) => ("list", error),
            watcher::Error::WatchStartFailed(error) | watcher::Error::WatchFailed(error) => {
                ("watch", error)
            }
            other => {
                tracing::debug!(resource, error = %other, "the watch begins anew");
                return;
            }
        };
        let error = self.session.sorted(&op(verb, resource, ""), error).await;
        tracing::debug!(resource, %error, "the watch is tried again");
        self.step.send_replace(Step::Broken);
        self.changes.send_modify(|number| *number += 1);
        sleep(AGAIN).await;
    }
}

impl Book {
    fn note(&mut self, event: &watcher::Event<Event>) {
        let uid = |event: &Event| event.metadata.uid.clone().unwrap_or_default();
        match event {
            watcher::Event::Init => self.listing.clear(),
            watcher::Event::InitApply(event) => {
                self.listing.insert(uid(event), trimmed(event));
            }
            watcher::Event::InitDone => self.held = std::mem::take(&mut self.listing),
            watcher::Event::Apply(event) => {
                self.held.insert(uid(event), trimmed(event));
            }
            watcher::Event::Delete(event) => {
                self.held.remove(&uid(event));
            }
        }
        while self.held.len() > EVENTS_MAX {
            let oldest = self
                .held
                .iter()
                .min_by_key(|(_, event)| scene::event_time(event))
                .map(|(uid, _)| uid.clone());
            let Some(oldest) = oldest else { break };
            self.held.remove(&oldest);
        }
    }
}

fn trimmed(event: &Event) -> Event {
    let mut event = event.clone();
    event.metadata.managed_fields = None;
    event
}
