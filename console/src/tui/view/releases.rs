//! The Releases screen, drawn: images above, deployments below.

use crate::{
    model::{Release, ReleaseDigest, RolloutOutcome, RolloutRecord},
    tui::{
        state::{
            ScreenState as _, Target, World,
            logs::rows::size,
            releases::{Mark, Pane, ReleasesState},
        },
        theme::{Role, Theme},
        widgets::{
            input,
            paint::{self, Hits, span},
            table::{self, Column, Row},
            text,
        },
    },
};
use jiff::Timestamp;
use ratatui::{
    buffer::Buffer,
    layout::{Constraint, Layout, Rect},
    text::Line,
};

/// Draws the screen between header and hint bar.
pub fn draw(
    state: &ReleasesState,
    world: &World,
    theme: &Theme,
    area: Rect,
    buf: &mut Buffer,
) -> Hits {
    let [images, deployments] =
        Layout::vertical([Constraint::Percentage(45), Constraint::Min(0)]).areas(area);
    let drawer = Drawer {
        state,
        world,
        theme,
    };
    let mut hits = drawer.images(images, buf);
    hits.extend(drawer.deployments(deployments, buf));
    hits
}

struct Drawer<'a> {
    state: &'a ReleasesState,
    world: &'a World,
    theme: &'a Theme,
}

impl Drawer<'_> {
    fn cell(&self, role: Role, text: impl AsRef<str>) -> Line<'static> {
        Line::from(span(self.theme, role, text))
    }

    /// The frame of a part; production's is red.
    fn frame(
        &self,
        pane: Pane,
        title: String,
        right: Line<'_>,
        area: Rect,
        buf: &mut Buffer,
    ) -> Rect {
        let production = self
            .state
            .environment(self.world)
            .and_then(|name| self.world.environment(name))
            .is_some_and(|env| env.is_production());
        let focused = self.state.pane == pane;
        let role = match (production, focused) {
            (true, _) => Role::Bad,
            (false, true) => Role::FocusedFrame,
            (false, false) => Role::Frame,
        };
        let strong = if focused { Role::Strong } else { Role::Text };
        paint::frame(buf, self.theme, area, role, self.cell(strong, title), right)
    }

    /// The filter while there is one, else what the marks mean.
    fn right(&self) -> Line<'static> {
        if let Some((typed, cursor)) = self.state.filter.shown() {
            let mut line = Line::from(span(self.theme, Role::Key, "/"));
            line.spans
                .extend(input::line(self.theme, typed, cursor, 24).spans);
            if let Some(error) = self.state.filter.error() {
                line.push_span(span(self.theme, Role::Warn, format!("  {error}")));
            }
            return line;
        }
        if let (Some(error), Some(_)) = (&self.state.failure, &self.state.read) {
            return self.cell(Role::Bad, text::cut(&format!("▲ old: {error}"), 70));
        }
        match self.state.marks.len() {
            2 => self.cell(Role::Live, "2 marked: d compares them"),
            1 => self.cell(Role::Live, "1 marked: d compares it with the selected one"),
            _ => self.cell(Role::Dim, "space marks, d compares"),
        }
    }

    fn images(&self, area: Rect, buf: &mut Buffer) -> Hits {
        let name = self
            .state
            .environment(self.world)
            .map_or("", |name| name.as_str());
        let images = self.state.images();
        let title = format!("{name} · images, newest first · {}", images.len());
        let inner = self.frame(Pane::Images, title, self.right(), area, buf);
        if self.is_missing(
            images.is_empty(),
            "The registry holds no image.",
            inner,
            buf,
        ) {
            return Hits::default();
        }
        const COLUMNS: [Column; 8] = [
            table::left("", 9),
            table::left("TAG", 9),
            table::left("LIVE IN", 8),
            table::right("PUSHED", 7),
            table::left("LAST OUTCOME HERE", 6),
            table::right("SIZE", 4),
            table::left("ARCH", 3),
            table::left("DIGEST", 5),
        ];
        let rows: Vec<Row> = images
            .iter()
            .enumerate()
            .map(|(index, image)| self.image(index, image))
            .collect();
        let selected = self.selected(Pane::Images);
        table::draw(buf, self.theme, inner, &COLUMNS, &rows, selected)
    }

    fn selected(&self, pane: Pane) -> Option<usize> {
        (self.state.pane == pane)
            .then(|| self.state.selected(pane))
            .flatten()
    }

    fn image(&self, index: usize, image: &Release) -> Row {
        let mark = Mark::Image(image.digest.clone());
        let live = self.live_in(&image.digest);
        let architectures: Vec<String> = image
            .architectures
            .iter()
            .map(ToString::to_string)
            .collect();
        let last = match self.state.last_deployment(&image.digest) {
            Some(rollout) => outcome(self.theme, rollout),
            None => self.cell(Role::Dim, "never deployed"),
        };
        let tags = if image.tags.is_empty() {
            self.cell(Role::Dim, "no tag")
        } else {
            self.cell(Role::Strong, image.tags.join(" "))
        };
        let cells = vec![
            self.mark(&mark),
            tags,
            live,
            self.age(image.pushed_at),
            last,
            self.cell(Role::Dim, image.size_bytes.map(size).unwrap_or_default()),
            self.cell(Role::Dim, architectures.join(" ")),
            self.cell(Role::Dim, image.digest.short()),
        ];
        Row::new(cells, Target::Pane(Pane::Images as usize, index))
    }

    fn live_in(&self, digest: &ReleaseDigest) -> Line<'static> {
        let mut line = Line::default();
        for env in &self.world.environments {
            let live = env
                .service()
                .and_then(|service| service.deployed.as_ref())
                .and_then(|live| live.digest.as_ref());
            if live == Some(digest) {
                let role = if env.is_production() {
                    Role::Bad
                } else {
                    Role::Good
                };
                let gap = if line.spans.is_empty() { "" } else { " " };
                line.push_span(span(self.theme, role, format!("{gap}● {}", env.name())));
            }
        }
        line
    }

    fn mark(&self, mark: &Mark) -> Line<'static> {
        match self.state.marks.iter().position(|known| known == mark) {
            Some(at) => self.cell(Role::Key, ["①", "②"][at.min(1)]),
            None => self.cell(Role::Dim, " "),
        }
    }

    fn age(&self, at: Option<Timestamp>) -> Line<'static> {
        let text = at.map_or_else(
            || "–".to_owned(),
            |at| format!("{} ago", text::short(self.world.ago(at))),
        );
        self.cell(Role::Dim, text)
    }

    fn deployments(&self, area: Rect, buf: &mut Buffer) -> Hits {
        let deployments = self.state.deployments();
        let title = format!("deployments, newest first · {}", deployments.len());
        let help = self.cell(Role::Dim, "D deploys, R goes back to the selected one");
        let inner = self.frame(Pane::Deployments, title, help, area, buf);
        let none = "Nothing was deployed here as far as the platform remembers (ECS: 90 days).";
        if self.is_missing(deployments.is_empty(), none, inner, buf) {
            return Hits::default();
        }
        const COLUMNS: [Column; 8] = [
            table::left("", 9),
            table::left("RELEASE", 9),
            table::left("OUTCOME", 9),
            table::left("WHEN", 8),
            table::left("WHO", 7),
            table::right("TOOK", 6),
            table::left("REVISION", 4),
            table::left("WHY", 5),
        ];
        let rows: Vec<Row> = deployments
            .iter()
            .enumerate()
            .map(|(index, rollout)| self.deployment(index, rollout))
            .collect();
        let selected = self.selected(Pane::Deployments);
        table::draw(buf, self.theme, inner, &COLUMNS, &rows, selected)
    }

    fn deployment(&self, index: usize, rollout: &RolloutRecord) -> Row {
        let mark = Mark::Deployment(rollout.id.clone());
        let release = rollout.release.as_deref().unwrap_or("–");
        let is_live = self
            .state
            .environment(self.world)
            .and_then(|name| self.world.environment(name))
            .and_then(|env| env.service())
            .and_then(|service| service.deployed.as_ref())
            .is_some_and(|live| live.revision == rollout.to)
            && rollout.outcome == RolloutOutcome::Succeeded;
        let name = if is_live {
            format!("{release} ● live")
        } else {
            release.to_owned()
        };
        let end = rollout.finished_at.unwrap_or(self.world.now);
        let took = end.duration_since(rollout.started_at);
        let who = rollout
            .author
            .as_ref()
            .map_or_else(|| "–".to_owned(), |author| author.name.clone());
        let why = match (&rollout.reason, &rollout.alarms[..]) {
            (Some(reason), []) => reason.clone(),
            (Some(reason), alarms) => format!("{reason} ({})", alarms.join(", ")),
            (None, alarms) => alarms.join(", "),
        };
        let when = text::moment(rollout.started_at, self.world.now, &self.world.zone);
        let cells = vec![
            self.mark(&mark),
            self.cell(Role::Strong, name),
            outcome(self.theme, rollout),
            self.cell(Role::Text, when),
            self.cell(Role::Text, who),
            self.cell(Role::Dim, text::long(took)),
            self.cell(Role::Dim, rollout.to.short()),
            self.cell(Role::Dim, why),
        ];
        Row::new(cells, Target::Pane(Pane::Deployments as usize, index))
    }

    /// Says why a part is empty; answers whether it is.
    fn is_missing(&self, is_empty: bool, none: &str, area: Rect, buf: &mut Buffer) -> bool {
        if !is_empty {
            return false;
        }
        let (role, message) = match (&self.state.failure, &self.state.read) {
            (Some(error), _) => (Role::Bad, format!("{error}. r asks again.")),
            (None, None) => (Role::Dim, "Reading…".to_owned()),
            (None, Some(_)) if self.state.filter.shown().is_some() => (
                Role::Warn,
                "The filter hides everything; esc clears it.".to_owned(),
            ),
            (None, Some(_)) => (Role::Dim, none.to_owned()),
        };
        let wrapped = text::wrap(&message, usize::from(area.width).saturating_sub(2));
        let lines: Vec<Line<'_>> = wrapped.iter().map(|line| self.cell(role, line)).collect();
        paint::lines(buf, area, &lines);
        true
    }
}

/// The outcome's glyph and word.
fn outcome(theme: &Theme, rollout: &RolloutRecord) -> Line<'static> {
    let (glyph, role) = match rollout.outcome {
        RolloutOutcome::InProgress => ("◐", Role::Live),
        RolloutOutcome::Succeeded => ("✓", Role::Good),
        RolloutOutcome::RolledBack => ("↶", Role::Warn),
        RolloutOutcome::Failed => ("✖", Role::Bad),
        RolloutOutcome::Stopped => ("■", Role::Warn),
        RolloutOutcome::Superseded => ("↷", Role::Dim),
    };
    Line::from(span(
        theme,
        role,
        format!("{glyph} {}", rollout.outcome.word()),
    ))
}
