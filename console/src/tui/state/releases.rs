//! The Releases screen's state: the registry's images, and the deployments of one environment.

use super::{Handled, Pointer, ScreenState, Target, World, cursor::Cursor, filter::TableFilter};
use crate::{
    model::{
        Action, Deployed, DocumentDiff, EnvironmentName, Release, ReleaseDigest, ReleaseRef,
        RevisionId, RolloutId, RolloutOutcome, RolloutRecord,
    },
    platform::PlatformError,
    tui::{
        command::{Command, Place},
        effect::{Effect, Level},
        exchange::releases::{ReleasesReply, ReleasesRequest},
        message::{Generation, Message, News},
    },
};
use crossterm::event::KeyEvent;
use std::fmt::Write as _;

/// The parts of the screen, in the order of Tab and of [`Target::Pane`]'s number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    /// The registry's images.
    Images,
    /// The environment's deployments.
    Deployments,
}

/// What can be marked for a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// An image.
    Image(ReleaseDigest),
    /// A deployment.
    Deployment(RolloutId),
}

/// Images and deployments of one environment.
#[derive(Debug)]
pub struct ReleasesState {
    environment: EnvironmentName,
    generation: Generation,
    /// What was read; `None` before the first answer.
    pub read: Option<(Vec<Release>, Vec<RolloutRecord>)>,
    /// Why the newest answer is none.
    pub failure: Option<PlatformError>,
    /// The part that has the focus.
    pub pane: Pane,
    cursors: [Cursor; 2],
    /// At most two, in the order they were marked.
    pub marks: Vec<Mark>,
    /// The `/` filter, over both parts.
    pub filter: TableFilter,
    /// A comparison that is awaited, and its title.
    asked: Option<(Generation, String)>,
}

/// One end of a comparison.
struct Side {
    name: String,
    revision: Option<RevisionId>,
    /// What the registry says of it, in lines `name value`.
    facts: Vec<(&'static str, String)>,
}

impl ReleasesState {
    /// The screen of one environment.
    pub fn new(environment: EnvironmentName) -> Self {
        Self {
            environment,
            generation: Generation::default(),
            read: None,
            failure: None,
            pane: Pane::Images,
            cursors: [Cursor::default(); 2],
            marks: Vec::new(),
            filter: TableFilter::default(),
            asked: None,
        }
    }

    /// The images shown, newest first.
    pub fn images(&self) -> Vec<&Release> {
        let all = self.read.as_ref().map_or(&[][..], |(images, _)| images);
        all.iter()
            .filter(|image| {
                let tags = image.tags.iter().map(String::as_str);
                self.filter.admits(tags.chain([image.digest.as_str()]))
            })
            .collect()
    }

    /// The deployments shown, newest first.
    pub fn deployments(&self) -> Vec<&RolloutRecord> {
        let all = self.read.as_ref().map_or(&[][..], |(_, rollouts)| rollouts);
        all.iter()
            .filter(|rollout| {
                let author = rollout.author.as_ref().map_or("", |author| &author.name);
                self.filter.admits([
                    rollout.release.as_deref().unwrap_or(""),
                    rollout.to.short(),
                    rollout.outcome.word(),
                    author,
                ])
            })
            .collect()
    }

    /// The selected row of a part.
    pub fn selected(&self, pane: Pane) -> Option<usize> {
        self.cursors[pane as usize].of(self.count(pane))
    }

    fn count(&self, pane: Pane) -> usize {
        match pane {
            Pane::Images => self.images().len(),
            Pane::Deployments => self.deployments().len(),
        }
    }

    fn image(&self) -> Option<&Release> {
        self.selected(Pane::Images).map(|row| self.images()[row])
    }

    fn deployment(&self) -> Option<&RolloutRecord> {
        self.selected(Pane::Deployments)
            .map(|row| self.deployments()[row])
    }

    /// The newest deployment here of an image.
    pub fn last_deployment(&self, digest: &ReleaseDigest) -> Option<&RolloutRecord> {
        let (_, rollouts) = self.read.as_ref()?;
        rollouts
            .iter()
            .find(|rollout| rollout.digest.as_ref() == Some(digest))
    }

    /// The newest deployment of an image that came through.
    fn last_success(&self, digest: &ReleaseDigest) -> Option<&RolloutRecord> {
        let (_, rollouts) = self.read.as_ref()?;
        rollouts.iter().find(|rollout| {
            rollout.digest.as_ref() == Some(digest) && rollout.outcome == RolloutOutcome::Succeeded
        })
    }

    fn live<'a>(&self, world: &'a World) -> Option<&'a Deployed> {
        let env = world.environment(&self.environment)?;
        env.service()?.deployed.as_ref()
    }

    fn ask(&mut self) -> Vec<Effect> {
        self.generation = Generation::next();
        vec![Effect::Releases(ReleasesRequest::List(
            self.generation,
            self.environment.clone(),
        ))]
    }

    fn selected_mark(&self) -> Option<Mark> {
        match self.pane {
            Pane::Images => Some(Mark::Image(self.image()?.digest.clone())),
            Pane::Deployments => Some(Mark::Deployment(self.deployment()?.id.clone())),
        }
    }

    /// Marks the selected row, or takes its mark away; a third mark drops the first.
    fn mark(&mut self) {
        let Some(mark) = self.selected_mark() else {
            return;
        };
        if let Some(at) = self.marks.iter().position(|known| *known == mark) {
            self.marks.remove(at);
            return;
        }
        if self.marks.len() == 2 {
            self.marks.remove(0);
        }
        self.marks.push(mark);
    }

    fn side(&self, mark: &Mark) -> Option<Side> {
        let (images, rollouts) = self.read.as_ref()?;
        match mark {
            Mark::Image(digest) => {
                let image = images.iter().find(|image| image.digest == *digest)?;
                Some(Side {
                    name: image.name().to_owned(),
                    revision: self
                        .last_deployment(digest)
                        .map(|rollout| rollout.to.clone()),
                    facts: facts(image),
                })
            }
            Mark::Deployment(id) => {
                let rollout = rollouts.iter().find(|rollout| rollout.id == *id)?;
                let release = rollout.release.as_deref().unwrap_or("?");
                let image = rollout
                    .digest
                    .as_ref()
                    .and_then(|digest| images.iter().find(|image| image.digest == *digest));
                Some(Side {
                    name: format!("{release} ({})", rollout.to.short()),
                    revision: Some(rollout.to.clone()),
                    facts: image.map(facts).unwrap_or_default(),
                })
            }
        }
    }

    fn live_side(&self, world: &World) -> Option<Side> {
        let live = self.live(world)?;
        let image = self.read.as_ref().and_then(|(images, _)| {
            images
                .iter()
                .find(|image| Some(&image.digest) == live.digest.as_ref())
        });
        Some(Side {
            name: format!("{}, live in {}", live.name(), self.environment),
            revision: Some(live.revision.clone()),
            facts: image.map(facts).unwrap_or_default(),
        })
    }

    /// `d`: the two that are marked, or what is live and the selected one.
    fn compare(&mut self, world: &World) -> Vec<Effect> {
        let sides = match &self.marks[..] {
            [first, second] => self.side(first).zip(self.side(second)),
            [one] if self.selected_mark().as_ref() != Some(one) => {
                let selected = self.selected_mark();
                self.side(one)
                    .zip(selected.and_then(|mark| self.side(&mark)))
            }
            _ => {
                let selected = self.selected_mark();
                self.live_side(world)
                    .zip(selected.and_then(|mark| self.side(&mark)))
            }
        };
        let Some((from, to)) = sides else {
            let text =
                "nothing to compare yet: space marks two, or select one while something is live";
            return vec![Effect::Notify(Level::Info, text.to_owned())];
        };
        let title = format!("{} → {}", from.name, to.name);
        match (&from.revision, &to.revision) {
            (Some(before), Some(after)) if before == after => {
                vec![Effect::ShowText {
                    title,
                    text: format!("Both are revision {}: nothing differs.\n", before.short()),
                }]
            }
            (Some(before), Some(after)) => {
                let generation = Generation::next();
                self.asked = Some((generation, title));
                vec![Effect::Releases(ReleasesRequest::Diff {
                    generation,
                    environment: self.environment.clone(),
                    from: before.clone(),
                    to: after.clone(),
                })]
            }
            _ => vec![Effect::ShowText {
                title,
                text: compare_facts(&from, &to, &self.environment),
            }],
        }
    }

    fn deploy(&self) -> Option<Effect> {
        let digest = match self.pane {
            Pane::Images => self.image()?.digest.clone(),
            Pane::Deployments => self.deployment()?.digest.clone()?,
        };
        Some(Effect::Propose(
            self.environment.clone(),
            Action::Deploy {
                release: ReleaseRef::Digest(digest),
            },
        ))
    }

    /// `R`: the selected deployment, or the image's newest one that came through.
    fn roll_back(&self, world: &World) -> Option<Effect> {
        let target = match self.pane {
            Pane::Deployments => self.deployment()?.to.clone(),
            Pane::Images => {
                let image = self.image()?;
                match self.last_success(&image.digest) {
                    Some(rollout) => rollout.to.clone(),
                    None => {
                        let text = format!(
                            "{} never came through in {}. D deploys it; :rollback goes to the last known-good",
                            image.name(),
                            self.environment
                        );
                        return Some(Effect::Notify(Level::Warn, text));
                    }
                }
            }
        };
        if self.live(world).is_some_and(|live| live.revision == target) {
            let text = format!(
                "{} is what is live; choose another one to go back to",
                target.short()
            );
            return Some(Effect::Notify(Level::Info, text));
        }
        Some(Effect::Propose(
            self.environment.clone(),
            Action::Rollback { to: Some(target) },
        ))
    }

    fn copy(&self) -> Option<Effect> {
        let (text, what) = match self.pane {
            Pane::Images => (self.image()?.digest.to_string(), "digest"),
            Pane::Deployments => (self.deployment()?.to.to_string(), "revision"),
        };
        Some(Effect::Copy {
            text,
            what: what.to_owned(),
        })
    }

    /// The selected row in its raw form.
    fn yank(&self) -> Option<Effect> {
        let text = match self.pane {
            Pane::Images => serde_json::to_string_pretty(self.image()?),
            Pane::Deployments => serde_json::to_string_pretty(self.deployment()?),
        };
        Some(Effect::Copy {
            text: text.ok()?,
            what: "row as JSON".to_owned(),
        })
    }
}

fn facts(image: &Release) -> Vec<(&'static str, String)> {
    let architectures: Vec<String> = image
        .architectures
        .iter()
        .map(ToString::to_string)
        .collect();
    vec![
        ("digest", image.digest.short().to_owned()),
        ("tags", image.tags.join(", ")),
        ("architectures", architectures.join(", ")),
        (
            "size",
            image
                .size_bytes
                .map_or_else(|| "not known".to_owned(), super::logs::rows::size),
        ),
        (
            "pushed",
            image
                .pushed_at
                .map_or_else(|| "not known".to_owned(), |at| at.to_string()),
        ),
    ]
}

fn compare_facts(from: &Side, to: &Side, environment: &EnvironmentName) -> String {
    let never = if from.revision.is_none() {
        &from.name
    } else {
        &to.name
    };
    let mut text = format!(
        "{never} was never deployed in {environment}: there is no task definition of it to compare.\nDeploying it clones what runs and changes only the image. D shows that plan.\n"
    );
    for (name, before) in &from.facts {
        let after = to.facts.iter().find(|(other, _)| other == name);
        let after = after.map_or("not known", |(_, after)| after);
        if before != after {
            let _ = write!(text, "\n{name}\n  - {before}\n  + {after}\n");
        }
    }
    text
}

/// A comparison as text, field by field.
fn diff_text(diff: &DocumentDiff) -> String {
    if diff.lines.is_empty() {
        return "Nothing differs.\n".to_owned();
    }
    let mut text = String::new();
    for line in &diff.lines {
        let _ = writeln!(text, "{}", line.path);
        if let Some(from) = &line.from {
            let _ = writeln!(text, "  - {from}");
        }
        if let Some(to) = &line.to {
            let _ = writeln!(text, "  + {to}");
        }
        text.push('\n');
    }
    text
}

impl ScreenState for ReleasesState {
    fn place(&self) -> Place {
        Place::Releases
    }

    fn environment<'a>(&'a self, _world: &'a World) -> Option<&'a EnvironmentName> {
        Some(&self.environment)
    }

    fn open(&mut self, _world: &World) -> Vec<Effect> {
        self.ask()
    }

    fn key(&mut self, key: KeyEvent, _world: &World) -> Handled {
        self.filter.key(key)
    }

    fn paste(&mut self, text: &str, _world: &World) -> Handled {
        self.filter.paste(text)
    }

    fn command(&mut self, command: Command, argument: Option<&str>, world: &World) -> Handled {
        let count = self.count(self.pane);
        if self.cursors[self.pane as usize].moved(command, count, world.page_rows() / 2) {
            return Handled::done();
        }
        let effect = match command {
            Command::NextPane | Command::PreviousPane | Command::Left | Command::Right => {
                self.pane = match self.pane {
                    Pane::Images => Pane::Deployments,
                    Pane::Deployments => Pane::Images,
                };
                None
            }
            Command::Mark => {
                self.mark();
                None
            }
            Command::Describe | Command::Open => {
                return Handled::Consumed(self.compare(world));
            }
            Command::Deploy if argument.is_none() => self.deploy(),
            Command::Rollback if argument.is_none() => self.roll_back(world),
            Command::Refresh => return Handled::Consumed(self.ask()),
            Command::Filter => {
                match argument {
                    Some(text) => self.filter.set(text),
                    None => self.filter.edit(),
                }
                None
            }
            Command::Back if self.filter.clear() => None,
            Command::Back if !self.marks.is_empty() => {
                self.marks.clear();
                None
            }
            Command::Copy => self.copy(),
            Command::Yank => self.yank(),
            _ => return Handled::Ignored,
        };
        Handled::Consumed(effect.into_iter().collect())
    }

    fn mouse(&mut self, pointer: Pointer, _world: &World) -> Handled {
        match pointer {
            Pointer::Wheel(lines) => {
                let count = self.count(self.pane);
                self.cursors[self.pane as usize].wheel(lines, count);
                Handled::done()
            }
            Pointer::Click(Target::Pane(pane, row)) => {
                self.pane = if pane == Pane::Images as usize {
                    Pane::Images
                } else {
                    Pane::Deployments
                };
                self.cursors[self.pane as usize].set(row);
                Handled::done()
            }
            _ => Handled::Ignored,
        }
    }

    fn message(&mut self, message: &Message, _world: &World) -> Vec<Effect> {
        let (generation, reply) = match message {
            Message::Releases(generation, reply) => (generation, reply),
            // The pollers read the deployments anyway: a rollout that ends is seen here at once.
            Message::World(name, news) if *name == self.environment => {
                if let (News::Rollouts(Ok(rollouts)), Some(read)) = (&**news, &mut self.read) {
                    read.1.clone_from(rollouts);
                }
                return Vec::new();
            }
            _ => return Vec::new(),
        };
        match reply {
            ReleasesReply::List(result) if *generation == self.generation => match result {
                Ok(read) => {
                    self.read = Some(read.clone());
                    self.failure = None;
                }
                Err(error) => self.failure = Some(error.clone()),
            },
            ReleasesReply::Diff(result) => {
                let is_ours = |(asked, _): &mut (Generation, String)| asked == generation;
                if let Some((_, title)) = self.asked.take_if(is_ours) {
                    return vec![match result {
                        Ok(diff) => Effect::ShowText {
                            title,
                            text: diff_text(diff),
                        },
                        Err(error) => Effect::Notify(Level::Bad, error.to_string()),
                    }];
                }
            }
            ReleasesReply::List(_) => {}
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::DiffLine,
        tui::{
            fixtures,
            pictures::{self, scenes},
            state::Screen,
            theme::{Depth, Theme},
        },
    };

    fn press(state: &mut ReleasesState, command: Command) -> Vec<Effect> {
        match state.command(command, None, &fixtures::world()) {
            Handled::Consumed(effects) => effects,
            Handled::Ignored => panic!("{command:?} was ignored"),
        }
    }

    fn select(state: &mut ReleasesState, pane: Pane, row: usize) {
        let click = Pointer::Click(Target::Pane(pane as usize, row));
        state.mouse(click, &fixtures::world());
    }

    fn prod() -> ReleasesState {
        scenes::releases("prod", &fixtures::world())
    }

    #[test]
    fn d_deploys_the_selected_image_by_its_digest() {
        let mut state = prod();
        select(&mut state, Pane::Images, 3);
        let effects = press(&mut state, Command::Deploy);
        let [Effect::Propose(name, Action::Deploy { release })] = &effects[..] else {
            panic!("{effects:?}");
        };
        assert_eq!(name.as_str(), "prod");
        assert_eq!(*release, ReleaseRef::Digest(fixtures::digest("1.5.0")));
    }

    #[test]
    fn r_takes_the_selected_deployment_as_the_target() {
        let mut state = prod();
        select(&mut state, Pane::Deployments, 2);
        let wanted = state.deployments()[2].to.clone();
        let effects = press(&mut state, Command::Rollback);
        let [Effect::Propose(_, Action::Rollback { to })] = &effects[..] else {
            panic!("{effects:?}");
        };
        assert_eq!(to.as_ref(), Some(&wanted));
    }

    #[test]
    fn an_image_that_never_came_through_is_no_rollback_target() {
        let mut state = prod();
        select(&mut state, Pane::Images, 1);
        let effects = press(&mut state, Command::Rollback);
        assert!(
            matches!(&effects[..], [Effect::Notify(Level::Warn, text)] if text.contains("never came through")),
            "{effects:?}"
        );
    }

    #[test]
    fn what_is_live_is_no_rollback_target() {
        let mut state = prod();
        let live = state
            .deployments()
            .iter()
            .position(|rollout| rollout.to.as_str() == fixtures::revision("prod", 7))
            .expect("the live one");
        select(&mut state, Pane::Deployments, live);
        let effects = press(&mut state, Command::Rollback);
        assert!(
            matches!(&effects[..], [Effect::Notify(Level::Info, _)]),
            "{effects:?}"
        );
    }

    #[test]
    fn the_describe_key_compares_with_what_is_live_or_the_two_that_are_marked() {
        let mut state = prod();
        select(&mut state, Pane::Deployments, 2);
        let effects = press(&mut state, Command::Describe);
        let [Effect::Releases(ReleasesRequest::Diff { from, to, .. })] = &effects[..] else {
            panic!("{effects:?}");
        };
        assert_eq!(from.as_str(), fixtures::revision("prod", 7));
        assert_eq!(*to, state.deployments()[2].to);

        select(&mut state, Pane::Deployments, 1);
        press(&mut state, Command::Mark);
        select(&mut state, Pane::Deployments, 3);
        press(&mut state, Command::Mark);
        let effects = press(&mut state, Command::Describe);
        let [
            Effect::Releases(ReleasesRequest::Diff {
                generation,
                from,
                to,
                ..
            }),
        ] = &effects[..]
        else {
            panic!("{effects:?}");
        };
        let deployments = state.deployments();
        assert_eq!((from, to), (&deployments[1].to, &deployments[3].to));

        let diff = DocumentDiff {
            lines: vec![DiffLine {
                path: "cpu".into(),
                from: Some("512".into()),
                to: Some("1024".into()),
            }],
        };
        let reply = Message::Releases(*generation, ReleasesReply::Diff(Ok(diff)));
        let effects = state.message(&reply, &fixtures::world());
        let [Effect::ShowText { text, .. }] = &effects[..] else {
            panic!("{effects:?}");
        };
        assert_eq!(text, "cpu\n  - 512\n  + 1024\n\n");
    }

    #[test]
    fn an_image_that_was_never_deployed_is_compared_by_what_the_registry_says() {
        let mut state = prod();
        select(&mut state, Pane::Images, 0);
        let effects = press(&mut state, Command::Describe);
        let [Effect::ShowText { text, .. }] = &effects[..] else {
            panic!("{effects:?}");
        };
        assert!(
            text.contains("never deployed in prod") && text.contains("digest"),
            "{text}"
        );
    }

    #[test]
    fn a_deployment_that_ends_is_seen_without_a_key() {
        let mut state = prod();
        let mut rollouts: Vec<_> = state.deployments().into_iter().cloned().collect();
        rollouts.remove(0);
        let news = Message::World(
            "prod".into(),
            Box::new(News::Rollouts(Ok(rollouts.clone()))),
        );
        state.message(&news, &fixtures::world());
        assert_eq!(state.deployments().len(), rollouts.len());
        let others = Message::World("dev".into(), Box::new(News::Rollouts(Ok(Vec::new()))));
        state.message(&others, &fixtures::world());
        assert_eq!(state.deployments().len(), rollouts.len());
    }

    #[test]
    fn a_third_mark_drops_the_first_and_escape_drops_all() {
        let mut state = prod();
        for row in 0..3 {
            select(&mut state, Pane::Images, row);
            press(&mut state, Command::Mark);
        }
        assert_eq!(state.marks.len(), 2);
        assert_eq!(state.marks[0], Mark::Image(fixtures::digest("1.6.1")));
        press(&mut state, Command::Back);
        assert!(state.marks.is_empty());
    }

    #[test]
    fn the_screen_in_its_states() {
        let world = fixtures::world();
        let theme = Theme::new(Depth::Mono);
        let mut all = String::new();
        let mut add = |title: &str, state, columns, rows| {
            let screen = Screen::Releases(state);
            let buffer = pictures::draw(&screen, &world, &theme, columns, rows);
            all.push_str(&format!("── {title}\n{}\n", pictures::text(&buffer)));
        };
        add(
            "loading",
            ReleasesState::new(fixtures::name("prod")),
            80,
            10,
        );
        add("prod at 120×34", prod(), 120, 34);
        add("prod at 80×22", prod(), 80, 22);
        add("prod at 200×40", prod(), 200, 40);
        add("at 20×5", prod(), 20, 5);
        let mut marked = prod();
        for row in [0, 2] {
            select(&mut marked, Pane::Deployments, row);
            press(&mut marked, Command::Mark);
        }
        add("two marked", marked, 120, 24);
        let mut failed = ReleasesState::new(fixtures::name("prod"));
        failed.failure = Some(PlatformError::Unreachable {
            endpoint: "http://127.0.0.1:4566".into(),
            cause: "connection refused".into(),
        });
        add("unreachable", failed, 100, 10);
        insta::assert_snapshot!(all);
    }
}
