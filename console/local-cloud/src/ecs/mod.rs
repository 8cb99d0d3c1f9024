//! ECS: clusters, services and their rollouts, tasks that are real processes, task definitions.
//!
//! [`scheduler`] decides, [`driver`] does, [`actions`] answers clients; all three share the
//! [`model::World`] behind one lock.

mod actions;
pub mod arn;
mod driver;
mod error;
mod metering;
pub mod model;
mod paging;
mod rollout;
mod scheduler;
mod view;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{fs, io};

use tokio::sync::Notify;

pub use actions::handle;
pub use driver::{run_forever, shut_down};
pub use metering::measure_forever;

use crate::process::TaskProcess;
use crate::protocol::now_ms;
use crate::settings::{DataDir, write_whole};
use model::{StopCode, TaskStatus, World};

/// ECS of one cloud.
pub struct Ecs {
    file: PathBuf,
    world: Mutex<World>,
    written: Mutex<Vec<u8>>,
    processes: Mutex<HashMap<String, TaskProcess>>,
    wake: Arc<Notify>,
    changed: AtomicBool,
    closing: AtomicBool,
    hurried: AtomicBool,
}

impl Ecs {
    /// As it was kept in the data directory, or nothing. No process has outlived the supervisor,
    /// so tasks that ran are stopped ones now. `wake` makes the scheduler look at once.
    ///
    /// # Errors
    /// When the kept state cannot be read.
    pub fn load(data: &DataDir, wake: Arc<Notify>) -> io::Result<Self> {
        let file = data.world().join("ecs.json");
        let mut world: World = match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => World::default(),
            Err(error) => return Err(error),
        };
        let now = now_ms();
        for task in world.tasks.values_mut() {
            if task.last_status != TaskStatus::Stopped {
                task.last_status = TaskStatus::Stopped;
                task.desired_status = TaskStatus::Stopped;
                task.stopped_at = Some(now);
                task.stop_code.get_or_insert(StopCode::TerminationNotice);
                task.stopped_reason
                    .get_or_insert_with(|| "The local cloud ended while the task ran.".to_owned());
            }
            task.accounted = true;
            task.pid = None;
        }
        for service in &mut world.services {
            service.steady = false;
        }
        Ok(Self {
            file,
            world: Mutex::new(world),
            written: Mutex::default(),
            processes: Mutex::default(),
            wake,
            changed: AtomicBool::new(true),
            closing: AtomicBool::new(false),
            hurried: AtomicBool::new(false),
        })
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the world.
    pub fn read<R>(&self, look: impl FnOnce(&World) -> R) -> R {
        look(&self.lock())
    }

    /// Changes the world, and has the scheduler look at it.
    pub fn change<R>(&self, change: impl FnOnce(&mut World) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.store(true, Ordering::Release);
        self.wake.notify_one();
        result
    }

    /// Tasks start without the waits that a network interface and an image need on Fargate, for
    /// as long as a new world is made.
    pub fn hurry(&self, hurried: bool) {
        self.hurried.store(hurried, Ordering::Release);
    }

    /// Keeps the world on disk when it has changed.
    fn save(&self) -> io::Result<()> {
        let text = serde_json::to_vec(&*self.lock())?;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if *written != text {
            write_whole(&self.file, &text)?;
            *written = text;
        }
        Ok(())
    }

    fn processes(&self) -> MutexGuard<'_, HashMap<String, TaskProcess>> {
        self.processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// How many processes of tasks run.
    pub fn process_count(&self) -> usize {
        self.processes().len()
    }
}
