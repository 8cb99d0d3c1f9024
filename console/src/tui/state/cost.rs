//! The Cost screen's state: what every environment costs a month, and the lines of one.

use super::{Handled, Pointer, ScreenState, Target, World, cursor::Cursor};
use crate::{
    cost::{Delta, Estimate, EstimateLine, PriceBook, delta, estimate},
    model::EnvironmentName,
    platform::PlatformError,
    tui::{
        command::{Command, Place},
        effect::{Effect, Level},
        exchange::cost::{CostReply, CostRequest},
        message::{Generation, Message},
    },
};
use jiff::{civil::Date, tz::TimeZone};

/// The number of the pane of environments in [`Target::Pane`].
pub const ENVIRONMENTS: usize = 0;

/// What is known of one environment's bill.
#[derive(Debug)]
pub struct Bill {
    /// Whose.
    pub environment: EnvironmentName,
    generation: Generation,
    /// The last one that was read.
    pub estimate: Option<Estimate>,
    /// Why the newest could not be read.
    pub failure: Option<PlatformError>,
    /// True while an answer is awaited.
    pub asked: bool,
}

/// The bills of all environments.
#[derive(Debug)]
pub struct CostState {
    /// Whose lines are shown.
    shown: EnvironmentName,
    /// All, in the order of promotion.
    pub bills: Vec<Bill>,
    cursor: Cursor,
}

impl CostState {
    /// The screen of one environment.
    pub fn new(environment: EnvironmentName) -> Self {
        Self {
            shown: environment,
            bills: Vec::new(),
            cursor: Cursor::default(),
        }
    }

    /// The environment whose lines are shown, as a place in [`bills`](Self::bills).
    pub fn selected(&self) -> Option<usize> {
        self.bills
            .iter()
            .position(|bill| bill.environment == self.shown)
    }

    /// The bill whose lines are shown.
    pub fn bill(&self) -> Option<&Bill> {
        self.selected().map(|index| &self.bills[index])
    }

    /// The lines that are shown.
    pub fn lines(&self) -> &[EstimateLine] {
        self.bill()
            .and_then(|bill| bill.estimate.as_ref())
            .map_or(&[], |estimate| &estimate.lines)
    }

    /// The selected line.
    pub fn line(&self) -> Option<usize> {
        self.cursor.of(self.lines().len())
    }

    /// What an environment costs more or less than the one before it in the order of promotion.
    pub fn delta_to_previous(&self, index: usize) -> Option<Delta> {
        let before = self.bills.get(index.checked_sub(1)?)?.estimate.as_ref()?;
        let after = self.bills.get(index)?.estimate.as_ref()?;
        Some(delta(before, after))
    }

    fn ask(&mut self, world: &World) -> Vec<Effect> {
        for env in &world.environments {
            if !self
                .bills
                .iter()
                .any(|bill| bill.environment == *env.name())
            {
                self.bills.push(Bill {
                    environment: env.name().clone(),
                    generation: Generation::default(),
                    estimate: None,
                    failure: None,
                    asked: false,
                });
            }
        }
        self.bills
            .iter_mut()
            .map(|bill| {
                bill.generation = Generation::next();
                bill.asked = true;
                let name = bill.environment.clone();
                Effect::Cost(CostRequest::Bill(bill.generation, name))
            })
            .collect()
    }

    fn turn(&mut self, forward: bool) {
        let count = self.bills.len();
        if let (Some(index), true) = (self.selected(), count > 0) {
            let next = (index + if forward { 1 } else { count - 1 }) % count;
            self.shown = self.bills[next].environment.clone();
        }
    }

    /// Everything about the selected line's price.
    fn describe(&self, world: &World) -> Option<Effect> {
        let line = &self.lines()[self.line()?];
        let mut text = format!(
            "{}\n\n{}\n\nquantity    {} ({})\n",
            line.what, line.formula, line.quantity, line.basis
        );
        let today = today(world);
        for (title, price) in [("price", &line.price), ("discount", &line.discount)] {
            let Some(price) = price else {
                continue;
            };
            text.push_str(&format!(
                "\n{title}\n  sku         {}\n  unit        {}\n  region      {}\n  date        {}\n  confidence  {}\n  source      {}\n",
                price.sku,
                price.unit,
                price.region,
                price.dated(today),
                confidence_word(price),
                price.source,
            ));
        }
        if line.price.is_none() {
            text.push_str(&format!(
                "\nno price is known for {}; the total is a lower bound\n",
                line.sku
            ));
        }
        Some(Effect::ShowText {
            title: line.what.clone(),
            text,
        })
    }

    /// All environments and the lines of the one shown, as text.
    fn summary(&self) -> String {
        let mut text = String::from("estimated cost a month\n");
        for (index, bill) in self.bills.iter().enumerate() {
            let total = bill.estimate.as_ref().map_or_else(
                || "not known".to_owned(),
                |estimate| estimate.total.to_string(),
            );
            text.push_str(&format!("{:<12} {total}", bill.environment));
            if let Some(delta) = self.delta_to_previous(index) {
                let before = &self.bills[index - 1].environment;
                text.push_str(&format!(" ({} to {before})", signed(delta.change.0)));
            }
            text.push('\n');
        }
        if let Some(estimate) = self.bill().and_then(|bill| bill.estimate.as_ref()) {
            text.push_str(&format!("\n{}\n", self.shown));
            for line in &estimate.lines {
                text.push_str(&format!("  {}: {}\n", line.what, line.formula));
            }
            if let Some(note) = &estimate.note {
                text.push_str(&format!("{note}\n"));
            }
        }
        text
    }
}

/// The day, for the age of prices.
pub fn today(world: &World) -> Date {
    world.now.to_zoned(TimeZone::UTC).date()
}

/// `+$12.00`, `-$3.10`, `±$0.00`.
pub fn signed(usd: f64) -> String {
    let shown = crate::model::Usd(usd).to_string();
    match (shown.starts_with('-'), shown == "$0.00") {
        (true, _) => shown,
        (false, true) => format!("±{shown}"),
        (false, false) => format!("+{shown}"),
    }
}

/// How sure a price is, for people.
pub fn confidence_word(price: &crate::cost::Price) -> &'static str {
    use crate::cost::Confidence;
    match price.confidence {
        Confidence::Stated => "stated",
        Confidence::Illustrative => "example",
        Confidence::Unconfirmed => "derived",
    }
}

impl ScreenState for CostState {
    fn place(&self) -> Place {
        Place::Cost
    }

    fn environment<'a>(&'a self, _world: &'a World) -> Option<&'a EnvironmentName> {
        Some(&self.shown)
    }

    fn open(&mut self, world: &World) -> Vec<Effect> {
        self.ask(world)
    }

    fn command(&mut self, command: Command, _argument: Option<&str>, world: &World) -> Handled {
        let count = self.lines().len();
        if self.cursor.moved(command, count, world.page_rows()) {
            return Handled::done();
        }
        match command {
            Command::NextPane | Command::Right => {
                self.turn(true);
                Handled::done()
            }
            Command::PreviousPane | Command::Left => {
                self.turn(false);
                Handled::done()
            }
            Command::Refresh => Handled::Consumed(self.ask(world)),
            Command::Open | Command::Describe => match self.describe(world) {
                Some(effect) => Handled::effect(effect),
                None => Handled::effect(Effect::Notify(
                    Level::Info,
                    "there is no line to describe yet".to_owned(),
                )),
            },
            Command::Copy => match self.line() {
                Some(line) => Handled::effect(Effect::Copy {
                    text: format!(
                        "{}: {}",
                        self.lines()[line].what,
                        self.lines()[line].formula
                    ),
                    what: "line".to_owned(),
                }),
                None => Handled::done(),
            },
            Command::Yank => Handled::effect(Effect::Copy {
                text: self.summary(),
                what: "summary".to_owned(),
            }),
            Command::Save => Handled::effect(Effect::Save {
                name: format!("cost-{}.txt", world.now.strftime("%Y%m%dT%H%M%SZ")),
                text: self.summary(),
            }),
            _ => Handled::Ignored,
        }
    }

    fn mouse(&mut self, pointer: Pointer, _world: &World) -> Handled {
        match pointer {
            Pointer::Wheel(lines) => {
                let count = self.lines().len();
                self.cursor.wheel(lines, count);
                Handled::done()
            }
            Pointer::Click(Target::Row(row)) => {
                self.cursor.set(row);
                Handled::done()
            }
            Pointer::Click(Target::Pane(ENVIRONMENTS, row)) => {
                if let Some(bill) = self.bills.get(row) {
                    self.shown = bill.environment.clone();
                }
                Handled::done()
            }
            _ => Handled::Ignored,
        }
    }

    fn message(&mut self, message: &Message, _world: &World) -> Vec<Effect> {
        let Message::Cost(generation, CostReply::Bill(reply)) = message else {
            return Vec::new();
        };
        let asker = self
            .bills
            .iter_mut()
            .find(|bill| bill.generation == *generation);
        if let Some(bill) = asker {
            bill.asked = false;
            match reply {
                Ok(resources) => {
                    bill.estimate = Some(estimate(resources, PriceBook::shipped()));
                    bill.failure = None;
                }
                // What was read before stays, marked as old by the failure beside it.
                Err(error) => bill.failure = Some(error.clone()),
            }
        }
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::BillOfResources,
        tui::{
            fixtures,
            pictures::{self, scenes},
            state::Screen,
            theme::{Depth, Theme},
        },
    };

    fn drawn(state: CostState, columns: u16, rows: u16) -> (CostState, String) {
        let screen = Screen::Cost(state);
        let theme = Theme::new(Depth::Mono);
        let buffer = pictures::draw(&screen, &fixtures::world(), &theme, columns, rows);
        let Screen::Cost(state) = screen else {
            unreachable!("it was made above");
        };
        (state, pictures::text(&buffer))
    }

    #[test]
    fn every_environment_is_asked_for_its_bill() {
        let mut state = CostState::new(fixtures::name("prod"));
        let asked: Vec<String> = state
            .open(&fixtures::world())
            .iter()
            .filter_map(|effect| match effect {
                Effect::Cost(CostRequest::Bill(_, name)) => Some(name.to_string()),
                _ => None,
            })
            .collect();
        assert_eq!(asked, ["dev", "staging", "prod"]);
    }

    #[test]
    fn the_failure_of_one_environment_leaves_the_others_alone() {
        let mut state = CostState::new(fixtures::name("dev"));
        let effects = state.open(&fixtures::world());
        for (index, effect) in effects.iter().enumerate() {
            let Effect::Cost(CostRequest::Bill(generation, name)) = effect else {
                continue;
            };
            let reply = if index == 1 {
                Err(PlatformError::Credentials {
                    cause: "ExpiredToken".into(),
                    remedy: "Run: aws sso login".into(),
                })
            } else {
                Ok(scenes::bill(name.as_str()))
            };
            state.message(
                &Message::Cost(*generation, CostReply::Bill(reply)),
                &fixtures::world(),
            );
        }
        assert!(state.bills[0].estimate.is_some() && state.bills[2].estimate.is_some());
        assert!(state.bills[1].failure.is_some());
        assert!(
            state.delta_to_previous(2).is_none(),
            "nothing to compare with"
        );
        let (_, drawn) = drawn(state, 120, 30);
        assert!(drawn.contains("Run: aws sso login"), "{drawn}");
    }

    #[test]
    fn an_old_answer_is_dropped() {
        let mut state = CostState::new(fixtures::name("dev"));
        let old = state.open(&fixtures::world());
        state.command(Command::Refresh, None, &fixtures::world());
        let Some(Effect::Cost(CostRequest::Bill(generation, _))) = old.first() else {
            panic!("{old:?}");
        };
        let reply = CostReply::Bill(Ok(BillOfResources::default()));
        state.message(&Message::Cost(*generation, reply), &fixtures::world());
        assert!(state.bills[0].estimate.is_none());
    }

    #[test]
    fn a_line_without_a_price_makes_the_total_a_lower_bound() {
        let state = scenes::cost("prod", &fixtures::world());
        let estimate = state.bill().and_then(|bill| bill.estimate.as_ref());
        assert!(estimate.is_some_and(|estimate| estimate.total.at_least));
        let (_, drawn) = drawn(state, 120, 34);
        assert!(
            drawn.contains("no price") && drawn.contains("≥$"),
            "{drawn}"
        );
        assert!(!drawn.contains("$0.00 "), "{drawn}");
    }

    #[test]
    fn tab_goes_to_the_next_environment_and_round() {
        let world = fixtures::world();
        let mut state = scenes::cost("prod", &world);
        state.command(Command::NextPane, None, &world);
        assert_eq!(state.environment(&world), Some(&fixtures::name("dev")));
        state.command(Command::PreviousPane, None, &world);
        assert_eq!(state.environment(&world), Some(&fixtures::name("prod")));
    }

    #[test]
    fn enter_tells_where_a_price_comes_from() {
        let world = fixtures::world();
        let mut state = scenes::cost("prod", &world);
        let handled = state.command(Command::Open, None, &world);
        let Handled::Consumed(effects) = handled else {
            panic!("ignored");
        };
        let [Effect::ShowText { text, .. }] = &effects[..] else {
            panic!("{effects:?}");
        };
        assert!(
            text.contains("source") && text.contains("× 730 h ×"),
            "{text}"
        );
    }

    #[test]
    fn a_difference_carries_its_sign() {
        assert_eq!(
            [12.0, -3.1, 0.001].map(signed),
            ["+$12.00", "-$3.10", "±$0.00"]
        );
    }

    #[test]
    fn the_screen_in_its_states() {
        let world = fixtures::world();
        let mut all = String::new();
        let mut add = |title: &str, state: CostState, columns, rows| {
            let (state, drawn) = drawn(state, columns, rows);
            all.push_str(&format!("── {title}\n{drawn}\n"));
            state
        };
        let mut loading = CostState::new(fixtures::name("prod"));
        loading.open(&world);
        add("loading", loading, 80, 12);
        let state = scenes::cost("prod", &world);
        let state = add("prod at 120×34", state, 120, 34);
        let state = add("prod at 80×22", state, 80, 22);
        let state = add("prod at 200×40", state, 200, 40);
        add("at 20×5", state, 20, 5);
        insta::assert_snapshot!(all);
    }
}
