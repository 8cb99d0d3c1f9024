//! What users of an environment see when a target misbehaves.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::targets::Probe;
use super::*;
use crate::cloudwatch::Statistic;

/// How a target takes a connection.
#[derive(Clone, Copy)]
enum Manner {
    Answers,
    /// Takes the request and hangs up.
    HangsUp,
}

async fn target(manner: Manner) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        loop {
            let Ok((mut stream, _)) = listener.accept().await else {
                return;
            };
            tokio::spawn(async move {
                let mut request = vec![0; 4096];
                let read = stream.read(&mut request).await.unwrap_or(0);
                if let Manner::Answers = manner {
                    // Says back what it was asked.
                    let asked = String::from_utf8_lossy(&request[..read]).into_owned();
                    let head = format!(
                        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        asked.len()
                    );
                    let _ = stream.write_all((head + &asked).as_bytes()).await;
                }
            });
        }
    });
    port
}

/// A port on which nothing listens.
fn nobody() -> u16 {
    free_port().expect("a port")
}

struct Environment {
    route: Arc<Route>,
    port: u16,
}

async fn environment(ports: &[u16]) -> Environment {
    let check = HealthCheck {
        path: "/".into(),
        interval_ms: 3_600_000,
        timeout_ms: 1000,
        healthy_threshold: 2,
        unhealthy_threshold: 2,
    };
    let targets = Arc::new(TargetGroupTargets::new(check, Arc::default()));
    for port in ports {
        targets.register(*port, http_client());
        targets.note(*port, &Probe::Passed);
    }
    let route = Arc::new(Route {
        targets,
        load_balancer: "app/dev/0".into(),
        target_group: "targetgroup/api-dev/0".into(),
        metrics: Arc::new(MetricStore::new()),
        client: http_client(),
    });
    let listener = bind_stable(None).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(serve(listener, route.clone()));
    Environment { route, port }
}

impl Environment {
    async fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
            .await
            .expect("connected");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("an answer");
        String::from_utf8_lossy(&answer).into_owned()
    }

    async fn get(&self) -> String {
        self.ask("GET /items?page=2 HTTP/1.1\r\nhost: dev:80\r\nconnection: close\r\n\r\n")
            .await
    }

    async fn post(&self) -> String {
        self.ask(
            "POST /items HTTP/1.1\r\nhost: dev:80\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbody",
        )
        .await
    }

    fn counted(&self, name: &str) -> f64 {
        let dimensions = [
            ("LoadBalancer", "app/dev/0"),
            ("TargetGroup", "targetgroup/api-dev/0"),
        ];
        let id = crate::cloudwatch::MetricId::new("AWS/ApplicationELB", name, &dimensions);
        let now = now_ms();
        let periods = self
            .route
            .metrics
            .periods(&id, now - 60_000, now + 60_000, 60);
        periods.values().map(|set| set.value(Statistic::Sum)).sum()
    }
}

#[tokio::test]
async fn a_request_that_reaches_nobody_goes_to_the_next_target_whatever_its_method() {
    let environment = environment(&[nobody(), target(Manner::Answers).await]).await;
    for _ in 0..4 {
        assert!(environment.get().await.starts_with("HTTP/1.1 200"));
        assert!(environment.post().await.starts_with("HTTP/1.1 200"));
    }
    assert!((environment.counted("RequestCount") - 8.0).abs() < f64::EPSILON);
    assert!((environment.counted("HTTPCode_Target_2XX_Count") - 8.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn what_may_have_been_done_is_not_done_twice() {
    let environment = environment(&[target(Manner::HangsUp).await]).await;
    assert!(environment.post().await.starts_with("HTTP/1.1 502"));
    assert!((environment.counted("TargetConnectionErrorCount") - 1.0).abs() < f64::EPSILON);

    let ports = [target(Manner::HangsUp).await, target(Manner::Answers).await];
    let environment = self::environment(&ports).await;
    for _ in 0..4 {
        let answer = environment.get().await;
        assert!(
            answer.starts_with("HTTP/1.1 200"),
            "asking again is safe: {answer}"
        );
    }
}

#[tokio::test]
async fn with_no_target_the_balancer_itself_says_so() {
    let environment = environment(&[]).await;
    assert!(environment.get().await.starts_with("HTTP/1.1 503"));
    assert!((environment.counted("HTTPCode_ELB_503_Count") - 1.0).abs() < f64::EPSILON);
    assert!(environment.counted("HTTPCode_Target_5XX_Count") < f64::EPSILON);
}

#[tokio::test]
async fn the_target_learns_who_asked_and_gets_no_header_of_the_other_connection() {
    let environment = environment(&[target(Manner::Answers).await]).await;
    let answer = environment
        .ask(
            "GET /items?page=2 HTTP/1.1\r\nhost: dev:80\r\nx-forwarded-for: 203.0.113.9\r\n\
             connection: close, x-private\r\nx-private: 1\r\n\r\n",
        )
        .await
        .to_lowercase();
    assert!(answer.contains("get /items?page=2 http/1.1"), "{answer}");
    assert!(answer.contains("host: dev:80"), "{answer}");
    assert!(
        answer.contains("x-forwarded-for: 203.0.113.9, 127.0.0.1"),
        "{answer}"
    );
    assert!(answer.contains("x-amzn-trace-id: root=1-"), "{answer}");
    assert!(!answer.contains("x-private"), "{answer}");
}
