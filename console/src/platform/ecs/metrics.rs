//! Measured series of a service, and what its single tasks use.

use super::{
    EcsPlatform,
    balancer::Balancers,
    operations::GET_METRIC_DATA,
    service,
    time::{date_time, timestamp},
};
use crate::{
    model::{Metrics, Series, Window},
    platform::PlatformError,
};
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use jiff::{SignedDuration, Timestamp};
use std::{collections::HashMap, sync::Arc};

/// CloudWatch keeps one value a minute of AWS's own metrics.
const STEP_AWS_S: i64 = 60;
/// The local cloud keeps finer ones, so that a laptop's sparklines move.
const STEP_LOCAL_S: i64 = 10;
/// GetMetricData takes at most so many queries (API reference).
const QUERIES_MAX: usize = 500;

/// What one task uses, in percent of what it reserves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TaskUse {
    pub cpu_percent: Option<f64>,
    pub memory_percent: Option<f64>,
}

/// Values by time in seconds since the epoch, for each query id.
type Values = HashMap<String, HashMap<i64, f64>>;

impl EcsPlatform {
    /// The distance of two values in seconds.
    fn step_s(&self, window: Window) -> i64 {
        let step = if self.config.local {
            STEP_LOCAL_S
        } else {
            STEP_AWS_S
        };
        // A day in minutes is as many values as any screen is wide, ten times over.
        if window.end.duration_since(window.start) > SignedDuration::from_hours(24) {
            step.max(300)
        } else {
            step
        }
    }

    pub(super) async fn measure(&self, window: Window) -> Result<Metrics, PlatformError> {
        let step = self.step_s(window);
        let grid = Grid::new(window, step);
        // Every value asked for costs money on AWS, and there is a new one only once a step.
        let key = (grid.start_s, grid.length);
        if let Some(known) = self.caches.metrics.get(&key) {
            return Ok(known);
        }
        let service = self.service().await?;
        let (groups, _) = service::target_groups(&service);
        let balancers = self.balancers(&groups).await?;
        let queries = self.queries(&balancers, step);
        let values = self.metric_data(queries, grid.window()).await?;
        let metrics = compose(&values, &balancers, &grid);
        self.caches.metrics.put(key, metrics.clone());
        Ok(metrics)
    }

    fn queries(&self, balancers: &Balancers, step: i64) -> Vec<MetricDataQuery> {
        let mut queries = Vec::new();
        for (index, route) in balancers.routes.iter().enumerate() {
            let by_group = [
                ("LoadBalancer", route.load_balancer.as_str()),
                ("TargetGroup", route.target_group.as_str()),
            ];
            for (id, name, stat) in [
                ("requests", "RequestCount", "Sum"),
                ("errors", "HTTPCode_Target_5XX_Count", "Sum"),
                ("p95", "TargetResponseTime", "p95"),
            ] {
                let id = format!("{id}{index}");
                queries.push(query(
                    &id,
                    "AWS/ApplicationELB",
                    name,
                    &by_group,
                    stat,
                    step,
                ));
            }
            // What the balancer answers by itself carries no target group.
            if route.exclusive {
                queries.push(query(
                    &format!("refused{index}"),
                    "AWS/ApplicationELB",
                    "HTTPCode_ELB_5XX_Count",
                    &[("LoadBalancer", &route.load_balancer)],
                    "Sum",
                    step,
                ));
            }
        }
        let service = [
            ("ClusterName", self.config.cluster.as_str()),
            ("ServiceName", self.config.service.as_str()),
        ];
        for (id, name) in [("cpu", "CPUUtilization"), ("memory", "MemoryUtilization")] {
            queries.push(query(id, "AWS/ECS", name, &service, "Average", step));
        }
        queries
    }

    /// CPU and memory of single tasks (Container Insights with enhanced observability; without it
    /// there are none). Each value costs money on AWS, so it is asked for once a step.
    pub(super) async fn task_use(
        &self,
        tasks: &[&str],
    ) -> Result<Arc<HashMap<String, TaskUse>>, PlatformError> {
        if tasks.is_empty() || self.caches.no_task_use.get(&()).is_some() {
            return Ok(Arc::default());
        }
        let tasks = &tasks[..tasks.len().min(QUERIES_MAX / 2)];
        if let Some(known) = self.caches.task_use.get(&())
            && tasks.iter().all(|task| known.contains_key(*task))
        {
            return Ok(known);
        }
        let step = if self.config.local {
            STEP_LOCAL_S
        } else {
            STEP_AWS_S
        };
        let queries = tasks
            .iter()
            .enumerate()
            .flat_map(|(index, task)| {
                let dimensions = [
                    ("ClusterName", self.config.cluster.as_str()),
                    ("ServiceName", self.config.service.as_str()),
                    ("TaskId", task),
                ];
                [
                    ("cpu", "TaskCpuUtilization"),
                    ("memory", "TaskMemoryUtilization"),
                ]
                .map(|(id, name)| {
                    let id = format!("{id}{index}");
                    query(
                        &id,
                        "ECS/ContainerInsights",
                        name,
                        &dimensions,
                        "Average",
                        step,
                    )
                })
            })
            .collect();
        let end = Timestamp::now();
        let window = Window {
            start: end - SignedDuration::from_secs(step * 5),
            end,
        };
        let values = self.metric_data(queries, window).await?;
        let newest = |id: String| {
            let values = values.get(&id)?;
            values
                .iter()
                .max_by_key(|(at, _)| **at)
                .map(|(_, value)| *value)
        };
        let usage: HashMap<String, TaskUse> = tasks
            .iter()
            .enumerate()
            .map(|(index, task)| {
                let used = TaskUse {
                    cpu_percent: newest(format!("cpu{index}")),
                    memory_percent: newest(format!("memory{index}")),
                };
                ((*task).to_owned(), used)
            })
            .collect();
        if values.values().all(HashMap::is_empty) {
            self.caches.no_task_use.put((), ());
        }
        let usage = Arc::new(usage);
        self.caches.task_use.put((), Arc::clone(&usage));
        Ok(usage)
    }

    /// The sum of one metric over a window; `None` where nothing was measured.
    pub(super) async fn sum(
        &self,
        namespace: &str,
        name: &str,
        dimensions: &[(&str, &str)],
        window: Window,
    ) -> Result<Option<f64>, PlatformError> {
        let queries = vec![query("sum", namespace, name, dimensions, "Sum", 300)];
        let values = self.metric_data(queries, window).await?;
        Ok(values
            .get("sum")
            .filter(|values| !values.is_empty())
            .map(|values| values.values().sum()))
    }

    async fn metric_data(
        &self,
        queries: Vec<MetricDataQuery>,
        window: Window,
    ) -> Result<Values, PlatformError> {
        let mut values = Values::new();
        let mut token = None;
        loop {
            let page = self
                .session
                .read(&GET_METRIC_DATA, |clients| {
                    clients
                        .cloudwatch
                        .get_metric_data()
                        .set_metric_data_queries(Some(queries.clone()))
                        .start_time(date_time(window.start))
                        .end_time(date_time(window.end))
                        .set_next_token(token.clone())
                        .send()
                })
                .await?;
            for result in page.metric_data_results() {
                let Some(id) = result.id() else { continue };
                let of_id = values.entry(id.to_owned()).or_default();
                for (at, value) in result.timestamps().iter().zip(result.values()) {
                    if let Some(at) = timestamp(Some(at))
                        && value.is_finite()
                    {
                        of_id.insert(at.as_second(), *value);
                    }
                }
            }
            token = page.next_token().map(str::to_owned);
            if token.is_none() {
                return Ok(values);
            }
        }
    }
}

/// The times of a series, aligned to the step as CloudWatch aligns its periods.
struct Grid {
    start_s: i64,
    step_s: i64,
    length: usize,
}

impl Grid {
    fn new(window: Window, step_s: i64) -> Self {
        let start_s = window.start.as_second().div_euclid(step_s) * step_s;
        let end_s = window.end.as_second();
        let length = usize::try_from((end_s - start_s + step_s - 1) / step_s).unwrap_or(0);
        Self {
            start_s,
            step_s,
            length,
        }
    }

    fn window(&self) -> Window {
        let end_s = self.start_s + self.step_s * i64::try_from(self.length).unwrap_or(0);
        Window {
            start: Timestamp::from_second(self.start_s).unwrap_or(Timestamp::UNIX_EPOCH),
            end: Timestamp::from_second(end_s).unwrap_or(Timestamp::MAX),
        }
    }

    fn series(&self, value: impl Fn(i64) -> Option<f64>) -> Series {
        let times = (0_i64..).take(self.length);
        Series {
            start_s: self.start_s,
            step_s: self.step_s,
            values: times
                .map(|index| value(self.start_s + index * self.step_s))
                .collect(),
        }
    }
}

/// Requests are reported always and errors only when there are some: a missing error count beside
/// a request count is a zero, a missing request count is a hole (ELB user guide, "CloudWatch
/// metrics", reporting criteria).
fn compose(values: &Values, balancers: &Balancers, grid: &Grid) -> Metrics {
    let at = |id: &str, time: i64| values.get(id).and_then(|values| values.get(&time)).copied();
    let sum = |id: &str, time: i64| {
        let parts: Vec<f64> = (0..balancers.routes.len())
            .filter_map(|index| at(&format!("{id}{index}"), time))
            .collect();
        (!parts.is_empty()).then(|| parts.iter().sum::<f64>())
    };
    let answered = |time| {
        let refused = sum("refused", time);
        match (sum("requests", time), refused) {
            (None, None) => None,
            (requests, refused) => Some(requests.unwrap_or(0.0) + refused.unwrap_or(0.0)),
        }
    };
    let step = grid.step_s as f64;
    Metrics {
        requests_per_second: grid.series(|time| answered(time).map(|count| count / step)),
        error_percent: grid.series(|time| {
            let all = answered(time).filter(|all| *all > 0.0)?;
            let failed = sum("errors", time).unwrap_or(0.0) + sum("refused", time).unwrap_or(0.0);
            Some((100.0 * failed / all).min(100.0))
        }),
        p95_ms: grid.series(|time| {
            (0..balancers.routes.len())
                .filter_map(|index| at(&format!("p95{index}"), time))
                .max_by(f64::total_cmp)
                .map(|seconds| seconds * 1000.0)
        }),
        cpu_percent: grid.series(|time| at("cpu", time)),
        memory_percent: grid.series(|time| at("memory", time)),
    }
}

fn query(
    id: &str,
    namespace: &str,
    name: &str,
    dimensions: &[(&str, &str)],
    stat: &str,
    step_s: i64,
) -> MetricDataQuery {
    let dimensions = dimensions
        .iter()
        .map(|(name, value)| Dimension::builder().name(*name).value(*value).build())
        .collect();
    let metric = Metric::builder()
        .namespace(namespace)
        .metric_name(name)
        .set_dimensions(Some(dimensions))
        .build();
    MetricDataQuery::builder()
        .id(id)
        .metric_stat(
            MetricStat::builder()
                .metric(metric)
                .period(i32::try_from(step_s).unwrap_or(60))
                .stat(stat)
                .build(),
        )
        .return_data(true)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::ecs::balancer::Route;

    fn grid() -> Grid {
        let at = |second| Timestamp::from_second(second).expect("a time");
        Grid::new(
            Window {
                start: at(65),
                end: at(240),
            },
            60,
        )
    }

    fn balancers() -> Balancers {
        Balancers {
            routes: vec![Route {
                target_group: "targetgroup/api/1".to_owned(),
                load_balancer: "app/prod/1".to_owned(),
                exclusive: true,
            }],
            ..Balancers::default()
        }
    }

    fn values(of: &[(&str, &[(i64, f64)])]) -> Values {
        of.iter()
            .map(|(id, values)| ((*id).to_owned(), values.iter().copied().collect()))
            .collect()
    }

    #[test]
    fn a_minute_without_a_request_count_is_a_hole_and_one_without_errors_is_a_zero() {
        let values = values(&[
            ("requests0", &[(60, 600.0), (180, 300.0)]),
            ("errors0", &[(180, 24.0)]),
        ]);
        let metrics = compose(&values, &balancers(), &grid());
        assert_eq!(
            metrics.requests_per_second.values,
            [Some(10.0), None, Some(5.0)]
        );
        assert_eq!(metrics.error_percent.values, [Some(0.0), None, Some(8.0)]);
        assert_eq!(metrics.cpu_percent.values, [None, None, None]);
    }

    #[test]
    fn with_no_healthy_target_every_answer_is_an_error() {
        let values = values(&[("requests0", &[(60, 0.0)]), ("refused0", &[(60, 40.0)])]);
        let metrics = compose(&values, &balancers(), &grid());
        assert_eq!(metrics.error_percent.values[0], Some(100.0));
    }

    #[test]
    fn a_series_begins_at_a_whole_step_and_covers_the_window() {
        let grid = grid();
        assert_eq!((grid.start_s, grid.length), (60, 3));
    }

    #[test]
    fn seconds_of_the_balancer_become_milliseconds() {
        let values = values(&[("p950", &[(120, 0.25)])]);
        let metrics = compose(&values, &balancers(), &grid());
        assert_eq!(metrics.p95_ms.values, [None, Some(250.0), None]);
    }
}
