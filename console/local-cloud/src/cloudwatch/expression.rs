//! Metric math: the arithmetic and the functions of it that alarms and dashboards use most.
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html>

use std::collections::{BTreeMap, BTreeSet};

use super::query::Datapoints;

/// How deep an expression may nest before it is refused.
const DEPTH_MAX: usize = 40;

/// Datapoints that a function may make out of nothing (`FILL`, `TIME_SERIES`).
const POINTS_MADE_MAX: i64 = 100_000;

/// An expression that was understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    root: Node,
}

#[derive(Debug, Clone, PartialEq)]
enum Node {
    Number(f64),
    Name(String),
    List(Vec<Node>),
    Negative(Box<Node>),
    Operation(Operator, Box<Node>, Box<Node>),
    Call(Function, Vec<Node>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    LessOrEqual,
    GreaterOrEqual,
    Less,
    Greater,
    Plus,
    Minus,
    Times,
    Over,
    Power,
}

/// Operators by how tightly they bind, loosest first; longer spellings before their prefixes.
const OPERATORS: [(&str, Operator, u8); 13] = [
    ("||", Operator::Or, 1),
    ("&&", Operator::And, 2),
    ("==", Operator::Equal, 3),
    ("!=", Operator::NotEqual, 3),
    ("<=", Operator::LessOrEqual, 4),
    (">=", Operator::GreaterOrEqual, 4),
    ("<", Operator::Less, 4),
    (">", Operator::Greater, 4),
    ("+", Operator::Plus, 5),
    ("-", Operator::Minus, 5),
    ("*", Operator::Times, 6),
    ("/", Operator::Over, 6),
    ("^", Operator::Power, 7),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Function {
    Abs,
    Avg,
    Ceil,
    DatapointCount,
    Diff,
    Fill,
    Floor,
    If,
    Max,
    Metrics,
    Min,
    Period,
    Rate,
    Sum,
    TimeSeries,
}

const FUNCTIONS: [(&str, Function); 15] = [
    ("ABS", Function::Abs),
    ("AVG", Function::Avg),
    ("CEIL", Function::Ceil),
    ("DATAPOINT_COUNT", Function::DatapointCount),
    ("DIFF", Function::Diff),
    ("FILL", Function::Fill),
    ("FLOOR", Function::Floor),
    ("IF", Function::If),
    ("MAX", Function::Max),
    ("METRICS", Function::Metrics),
    ("MIN", Function::Min),
    ("PERIOD", Function::Period),
    ("RATE", Function::Rate),
    ("SUM", Function::Sum),
    ("TIME_SERIES", Function::TimeSeries),
];

/// What an expression, or a part of it, comes to.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// One number.
    Scalar(f64),
    /// A number for each period that has one.
    Series(Datapoints),
    /// Several time series.
    List(Vec<Datapoints>),
}

/// What the names in an expression stand for.
#[derive(Debug)]
pub struct Scope {
    start_ms: i64,
    end_ms: i64,
    period_s: i64,
    series: BTreeMap<String, Datapoints>,
    metrics: BTreeSet<String>,
}

impl Scope {
    /// Nothing is known yet; the time range is what `FILL` fills.
    pub fn new(start_ms: i64, end_ms: i64, period_s: i64) -> Self {
        Self {
            start_ms,
            end_ms,
            period_s: period_s.max(1),
            series: BTreeMap::new(),
            metrics: BTreeSet::new(),
        }
    }

    /// Gives a name its data; `metric` tells a metric from an expression.
    pub fn define(&mut self, name: &str, points: Datapoints, metric: bool) {
        if metric {
            self.metrics.insert(name.to_owned());
        }
        self.series.insert(name.to_owned(), points);
    }

    /// Whether a name has its data.
    pub fn knows(&self, name: &str) -> bool {
        self.series.contains_key(name)
    }

    /// The start of every period in the range.
    fn periods(&self) -> impl Iterator<Item = i64> + use<> {
        let step = self.period_s * 1000;
        let first = self.start_ms.div_euclid(step) * step;
        let first = if first < self.start_ms {
            first + step
        } else {
            first
        };
        let count = ((self.end_ms - first + step - 1) / step).clamp(0, POINTS_MADE_MAX);
        (0..count).map(move |i| first + i * step)
    }
}

impl Expression {
    /// Reads an expression.
    ///
    /// # Errors
    /// A sentence that says what was not understood and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { text, at: 0 };
        let root = parser.expression(0, 0)?;
        parser.space();
        if parser.at < text.len() {
            return Err(parser.unexpected());
        }
        Ok(Self { root })
    }

    /// The names of the other queries it uses.
    pub fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        collect_names(&self.root, &mut names);
        names
    }

    /// What it comes to.
    ///
    /// # Errors
    /// A sentence that says why it means nothing for this data.
    pub fn evaluate(&self, scope: &Scope) -> Result<Operand, String> {
        evaluate(&self.root, scope)
    }
}

fn collect_names<'a>(node: &'a Node, names: &mut Vec<&'a str>) {
    match node {
        Node::Number(_) => {}
        Node::Name(name) => names.push(name),
        Node::Negative(inner) => collect_names(inner, names),
        Node::Operation(_, left, right) => {
            collect_names(left, names);
            collect_names(right, names);
        }
        Node::List(nodes) | Node::Call(_, nodes) => {
            // The second argument of FILL may be a word that only looks like a name.
            for node in nodes {
                if !matches!(node, Node::Name(name) if name == "REPEAT" || name == "LINEAR") {
                    collect_names(node, names);
                }
            }
        }
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.space();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn unexpected(&self) -> String {
        match self.rest().chars().next() {
            Some(c) => format!("Unexpected character '{c}' at position {}", self.at),
            None => "Unexpected end of the expression".to_owned(),
        }
    }

    fn expression(&mut self, binds_over: u8, depth: usize) -> Result<Node, String> {
        if depth > DEPTH_MAX {
            return Err("The expression nests too deeply".to_owned());
        }
        let mut left = self.operand(depth)?;
        loop {
            self.space();
            let next = OPERATORS
                .iter()
                .find(|(token, ..)| self.rest().starts_with(token));
            let Some((token, operator, binds)) = next else {
                return Ok(left);
            };
            if *binds <= binds_over {
                return Ok(left);
            }
            self.at += token.len();
            let right = self.expression(*binds, depth + 1)?;
            left = Node::Operation(*operator, Box::new(left), Box::new(right));
        }
    }

    fn operand(&mut self, depth: usize) -> Result<Node, String> {
        if self.eat("-") {
            // Tighter than multiplication, looser than a power: -a^2 is -(a^2).
            return Ok(Node::Negative(Box::new(self.expression(6, depth + 1)?)));
        }
        if self.eat("(") {
            let inner = self.expression(0, depth + 1)?;
            return if self.eat(")") {
                Ok(inner)
            } else {
                Err(self.unexpected())
            };
        }
        if self.eat("[") {
            return Ok(Node::List(self.list("]", depth)?));
        }
        self.space();
        let word_len = self
            .rest()
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.'))
            .unwrap_or(self.rest().len());
        let word = self.rest()[..word_len].to_owned();
        if let Ok(number) = word.parse::<f64>() {
            self.at += word_len;
            return Ok(Node::Number(number));
        }
        if !word.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Err(self.unexpected());
        }
        self.at += word_len;
        if !self.eat("(") {
            return Ok(Node::Name(word));
        }
        let function = FUNCTIONS
            .iter()
            .find(|(name, _)| *name == word)
            .map(|(_, function)| *function)
            .ok_or_else(|| format!("Unsupported function {word}"))?;
        Ok(Node::Call(function, self.list(")", depth)?))
    }

    fn list(&mut self, end: &str, depth: usize) -> Result<Vec<Node>, String> {
        let mut nodes = Vec::new();
        if self.eat(end) {
            return Ok(nodes);
        }
        loop {
            nodes.push(self.expression(0, depth + 1)?);
            if self.eat(end) {
                return Ok(nodes);
            }
            if !self.eat(",") {
                return Err(self.unexpected());
            }
        }
    }
}

fn evaluate(node: &Node, scope: &Scope) -> Result<Operand, String> {
    match node {
        Node::Number(number) => Ok(Operand::Scalar(*number)),
        Node::Name(name) => match scope.series.get(name) {
            Some(points) => Ok(Operand::Series(points.clone())),
            None => Err(format!("Unknown Id: {name}")),
        },
        Node::List(nodes) => Ok(Operand::List(
            nodes
                .iter()
                .map(|node| series(evaluate(node, scope)?))
                .collect::<Result<_, _>>()?,
        )),
        Node::Negative(inner) => each(evaluate(inner, scope)?, |v| -v),
        Node::Operation(operator, left, right) => {
            combine(*operator, evaluate(left, scope)?, evaluate(right, scope)?)
        }
        Node::Call(function, arguments) => call(*function, arguments, scope),
    }
}

fn series(operand: Operand) -> Result<Datapoints, String> {
    match operand {
        Operand::Series(points) => Ok(points),
        _ => Err("A time series is needed here".to_owned()),
    }
}

fn each(operand: Operand, f: impl Fn(f64) -> f64) -> Result<Operand, String> {
    let over = |points: Datapoints| points.into_iter().map(|(at, v)| (at, f(v))).collect();
    Ok(match operand {
        Operand::Scalar(v) => Operand::Scalar(f(v)),
        Operand::Series(points) => Operand::Series(over(points)),
        Operand::List(list) => Operand::List(list.into_iter().map(over).collect()),
    })
}

/// A result that is not a number (a division by zero) is no datapoint.
fn combine(operator: Operator, left: Operand, right: Operand) -> Result<Operand, String> {
    let apply = |a: f64, b: f64| {
        let truth = |b: bool| f64::from(u8::from(b));
        let result = match operator {
            Operator::Or => truth(a != 0.0 || b != 0.0),
            Operator::And => truth(a != 0.0 && b != 0.0),
            Operator::Equal => truth(a == b),
            Operator::NotEqual => truth(a != b),
            Operator::LessOrEqual => truth(a <= b),
            Operator::GreaterOrEqual => truth(a >= b),
            Operator::Less => truth(a < b),
            Operator::Greater => truth(a > b),
            Operator::Plus => a + b,
            Operator::Minus => a - b,
            Operator::Times => a * b,
            Operator::Over => a / b,
            Operator::Power => a.powf(b),
        };
        result.is_finite().then_some(result)
    };
    Ok(match (left, right) {
        (Operand::Scalar(a), Operand::Scalar(b)) => {
            Operand::Scalar(apply(a, b).ok_or("The expression divides by zero")?)
        }
        (Operand::Series(points), Operand::Scalar(b)) => Operand::Series(
            points
                .into_iter()
                .filter_map(|(at, a)| Some((at, apply(a, b)?)))
                .collect(),
        ),
        (Operand::Scalar(a), Operand::Series(points)) => Operand::Series(
            points
                .into_iter()
                .filter_map(|(at, b)| Some((at, apply(a, b)?)))
                .collect(),
        ),
        (Operand::Series(left), Operand::Series(right)) => Operand::Series(
            left.into_iter()
                .filter_map(|(at, a)| Some((at, apply(a, *right.get(&at)?)?)))
                .collect(),
        ),
        (Operand::List(list), right) => Operand::List(
            list.into_iter()
                .map(|points| series(combine(operator, Operand::Series(points), right.clone())?))
                .collect::<Result<_, _>>()?,
        ),
        (left, Operand::List(list)) => Operand::List(
            list.into_iter()
                .map(|points| series(combine(operator, left.clone(), Operand::Series(points))?))
                .collect::<Result<_, _>>()?,
        ),
    })
}

fn call(function: Function, arguments: &[Node], scope: &Scope) -> Result<Operand, String> {
    let argument = |i: usize| -> Result<Operand, String> {
        let node = arguments
            .get(i)
            .ok_or_else(|| format!("{function:?} needs more arguments"))?;
        evaluate(node, scope)
    };
    match function {
        Function::Abs => each(argument(0)?, f64::abs),
        Function::Ceil => each(argument(0)?, f64::ceil),
        Function::Floor => each(argument(0)?, f64::floor),
        Function::Avg => aggregate(argument(0)?, |values| {
            values.iter().sum::<f64>() / values.len() as f64
        }),
        Function::Sum => aggregate(argument(0)?, |values| values.iter().sum()),
        Function::Max => aggregate(argument(0)?, |values| {
            values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
        }),
        Function::Min => aggregate(argument(0)?, |values| {
            values.iter().copied().fold(f64::INFINITY, f64::min)
        }),
        Function::DatapointCount => Ok(Operand::Scalar(series(argument(0)?)?.len() as f64)),
        Function::Period => {
            series(argument(0)?)?;
            Ok(Operand::Scalar(scope.period_s as f64))
        }
        Function::Metrics => Ok(Operand::List(
            scope
                .metrics
                .iter()
                .filter_map(|name| scope.series.get(name).cloned())
                .collect(),
        )),
        Function::TimeSeries => match argument(0)? {
            Operand::Scalar(v) => Ok(Operand::Series(scope.periods().map(|at| (at, v)).collect())),
            _ => Err("TIME_SERIES needs a number".to_owned()),
        },
        Function::Diff => Ok(Operand::Series(steps(&series(argument(0)?)?, |_, dv| dv))),
        Function::Rate => Ok(Operand::Series(steps(&series(argument(0)?)?, |dt, dv| {
            dv / (dt as f64 / 1000.0)
        }))),
        Function::Fill => fill(series(argument(0)?)?, arguments.get(1), scope),
        Function::If => choose(
            argument(0)?,
            argument(1)?,
            arguments
                .get(2)
                .map(|node| evaluate(node, scope))
                .transpose()?,
        ),
    }
}

/// Over the values of one series, a number; over several series, a series.
fn aggregate(operand: Operand, f: impl Fn(&[f64]) -> f64) -> Result<Operand, String> {
    match operand {
        Operand::Scalar(_) => Err("A time series is needed here".to_owned()),
        Operand::Series(points) if points.is_empty() => Ok(Operand::Scalar(0.0)),
        Operand::Series(points) => {
            let values: Vec<f64> = points.into_values().collect();
            Ok(Operand::Scalar(f(&values)))
        }
        Operand::List(list) => {
            let mut by_time: BTreeMap<i64, Vec<f64>> = BTreeMap::new();
            for (at, value) in list.into_iter().flatten() {
                by_time.entry(at).or_default().push(value);
            }
            Ok(Operand::Series(
                by_time.into_iter().map(|(at, v)| (at, f(&v))).collect(),
            ))
        }
    }
}

fn steps(points: &Datapoints, f: impl Fn(i64, f64) -> f64) -> Datapoints {
    points
        .iter()
        .zip(points.iter().skip(1))
        .map(|((t0, v0), (t1, v1))| (*t1, f(t1 - t0, v1 - v0)))
        .collect()
}

fn fill(mut points: Datapoints, with: Option<&Node>, scope: &Scope) -> Result<Operand, String> {
    let repeat = matches!(with, Some(Node::Name(word)) if word == "REPEAT");
    let filler = match with {
        Some(_) if repeat => Datapoints::new(),
        Some(Node::Name(word)) if word == "LINEAR" => {
            return Err(
                "FILL with LINEAR is not supported here; use REPEAT or a number".to_owned(),
            );
        }
        Some(node) => match evaluate(node, scope)? {
            Operand::Scalar(v) => scope.periods().map(|at| (at, v)).collect(),
            Operand::Series(other) => other,
            Operand::List(_) => return Err("FILL needs a number or a time series".to_owned()),
        },
        None => return Err("FILL needs what to fill with".to_owned()),
    };
    if repeat {
        for at in scope.periods() {
            let before = points.range(..at).next_back().map(|(_, v)| *v);
            if let (false, Some(v)) = (points.contains_key(&at), before) {
                points.insert(at, v);
            }
        }
    }
    for (at, v) in filler {
        points.entry(at).or_insert(v);
    }
    Ok(Operand::Series(points))
}

fn choose(condition: Operand, yes: Operand, no: Option<Operand>) -> Result<Operand, String> {
    let at = |operand: &Operand, at: i64| match operand {
        Operand::Scalar(v) => Some(*v),
        Operand::Series(points) => points.get(&at).copied(),
        Operand::List(_) => None,
    };
    let otherwise = |time: i64| no.as_ref().and_then(|no| at(no, time));
    match condition {
        Operand::Series(points) => Ok(Operand::Series(
            points
                .into_iter()
                .filter_map(|(time, c)| {
                    let chosen = if c == 0.0 {
                        otherwise(time)
                    } else {
                        at(&yes, time)
                    };
                    Some((time, chosen?))
                })
                .collect(),
        )),
        Operand::Scalar(c) if c != 0.0 => Ok(yes),
        Operand::Scalar(_) => no.ok_or_else(|| "IF has nothing to return".to_owned()),
        Operand::List(_) => Err("IF needs one condition".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        let mut scope = Scope::new(0, 300_000, 60);
        scope.define("errors", [(0, 5.0), (60_000, 1.0)].into(), true);
        scope.define(
            "all",
            [(0, 100.0), (60_000, 0.0), (120_000, 4.0)].into(),
            true,
        );
        scope
    }

    fn points(text: &str) -> Vec<(i64, f64)> {
        let expression = Expression::parse(text).expect(text);
        match expression.evaluate(&scope()).expect(text) {
            Operand::Series(points) => points.into_iter().collect(),
            other => panic!("{text} is {other:?}"),
        }
    }

    #[test]
    fn an_error_rate_has_no_datapoint_where_it_would_divide_by_zero() {
        assert_eq!(points("100 * errors / all"), [(0, 5.0)]);
        assert_eq!(points("100*FILL(errors,0)/all"), [(0, 5.0), (120_000, 0.0)]);
    }

    #[test]
    fn operators_bind_as_in_arithmetic() {
        assert_eq!(points("errors + 2 * 3 ^ 2 - -1")[0], (0, 24.0));
        assert_eq!(points("(errors + 2) * 3")[0], (0, 21.0));
        assert_eq!(
            points("errors > 2 && all >= 100"),
            [(0, 1.0), (60_000, 0.0)]
        );
    }

    #[test]
    fn functions_work_on_one_series_and_on_lists() {
        assert_eq!(
            points("IF(errors > 2, errors, 0)"),
            [(0, 5.0), (60_000, 0.0)]
        );
        assert_eq!(points("SUM(METRICS())")[0], (0, 105.0));
        assert_eq!(points("MAX([errors, all])")[0], (0, 100.0));
        assert_eq!(points("errors / PERIOD(errors) * 60")[0], (0, 5.0));
        assert_eq!(points("FILL(errors, REPEAT)").len(), 5);
        assert_eq!(points("errors - AVG(errors)")[0], (0, 2.0));
    }

    #[test]
    fn what_is_not_an_expression_is_refused_with_its_place() {
        for text in [
            "",
            "1 +",
            "errors +* 2",
            "NOPE(errors)",
            "(errors",
            "errors all",
        ] {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
        let deep = "(".repeat(10_000);
        assert!(Expression::parse(&deep).is_err());
        let unknown = Expression::parse("nobody + 1").expect("parses");
        assert_eq!(unknown.names(), ["nobody"]);
        assert!(unknown.evaluate(&scope()).is_err());
    }
}
