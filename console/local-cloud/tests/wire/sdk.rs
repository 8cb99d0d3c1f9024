//! What the SDKs send and read: every protocol with success, error code and page.

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    ComparisonOperator, Metric, MetricDataQuery, MetricDatum, MetricStat, StateValue, Statistic,
};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;

use crate::support::Endpoint;

/// A client of one of the SDK's crates for the endpoint.
macro_rules! client {
    ($sdk:ident, $endpoint:expr) => {{
        let config = $sdk::config::Builder::new()
            .behavior_version($sdk::config::BehaviorVersion::latest())
            .region($sdk::config::Region::new("us-east-1"))
            .endpoint_url($endpoint.url())
            .credentials_provider($endpoint.keys())
            .retry_config($sdk::config::retry::RetryConfig::disabled())
            .build();
        $sdk::Client::from_conf(config)
    }};
}

fn now_s() -> i64 {
    opsconsole_local_cloud::protocol::now_ms() / 1000
}

#[tokio::test]
async fn metrics_and_alarms_go_through_the_sdks_cbor() {
    let endpoint = Endpoint::open().await;
    let cloudwatch = client!(aws_sdk_cloudwatch, endpoint);
    for value in [1.0, 2.5] {
        let datum = MetricDatum::builder().metric_name("M").value(value).build();
        let put = cloudwatch
            .put_metric_data()
            .namespace("N")
            .metric_data(datum);
        put.send().await.expect("put");
    }
    let stat = MetricStat::builder()
        .metric(Metric::builder().namespace("N").metric_name("M").build())
        .period(60)
        .stat("Sum")
        .build();
    let got = cloudwatch
        .get_metric_data()
        .start_time(DateTime::from_secs(now_s() - 600))
        .end_time(DateTime::from_secs(now_s() + 60))
        .metric_data_queries(MetricDataQuery::builder().id("m").metric_stat(stat).build())
        .send()
        .await
        .expect("data");
    let result = &got.metric_data_results()[0];
    // Two minutes when the values were put around the turn of one.
    assert_eq!(result.values().iter().sum::<f64>(), 3.5);
    assert!((now_s() - result.timestamps()[0].secs()).abs() < 130);

    cloudwatch
        .put_metric_alarm()
        .alarm_name("a")
        .namespace("N")
        .metric_name("M")
        .statistic(Statistic::Sum)
        .period(60)
        .evaluation_periods(1)
        .threshold(5.0)
        .comparison_operator(ComparisonOperator::GreaterThanThreshold)
        .send()
        .await
        .expect("alarm");
    let alarms = cloudwatch.describe_alarms().send().await.expect("alarms");
    let alarm = &alarms.metric_alarms()[0];
    assert_eq!(alarm.state_value(), Some(&StateValue::InsufficientData));
    assert_eq!(alarm.threshold(), Some(5.0));
    assert!(alarm.state_updated_timestamp().is_some());

    let nobody = cloudwatch
        .set_alarm_state()
        .alarm_name("nobody")
        .state_value(StateValue::Ok)
        .state_reason("x")
        .send()
        .await
        .expect_err("unknown");
    assert!(nobody.into_service_error().is_resource_not_found());
}

#[tokio::test]
async fn logs_are_paged_and_throttling_is_known_as_such() {
    let endpoint = Endpoint::open().await;
    for i in 0..25 {
        endpoint
            .cloud
            .logs
            .put("/g", "s", now_s() * 1000 + i, format!("line {i}"));
    }
    let logs = client!(aws_sdk_cloudwatchlogs, endpoint);
    let mut pages = logs
        .filter_log_events()
        .log_group_name("/g")
        .filter_pattern("line")
        .into_paginator()
        .page_size(10)
        .send();
    let mut messages = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.expect("a page");
        messages.extend(
            page.events()
                .iter()
                .filter_map(|e| e.message())
                .map(str::to_owned),
        );
    }
    let all: Vec<String> = (0..25).map(|i| format!("line {i}")).collect();
    assert_eq!(messages, all);

    let throttle = br#"{"kind": "throttle", "service": "logs", "count": 1}"#;
    let asked = endpoint
        .send("opsconsole", "POST", "/_opsconsole/faults", &[], throttle)
        .await;
    assert_eq!(asked.status, 200, "{}", asked.text);
    let error = logs
        .describe_log_groups()
        .send()
        .await
        .expect_err("throttled");
    assert_eq!(error.code(), Some("ThrottlingException"));
    logs.describe_log_groups().send().await.expect("only once");
}

#[tokio::test]
async fn a_lock_in_s3_is_written_under_conditions() {
    let endpoint = Endpoint::open().await;
    let s3 = client!(aws_sdk_s3, endpoint);
    // The SDK would put the bucket into the host's name; on loopback it cannot.
    let config = s3.config().to_builder().force_path_style(true).build();
    let s3 = aws_sdk_s3::Client::from_conf(config);
    s3.create_bucket()
        .bucket("locks")
        .send()
        .await
        .expect("bucket");
    let put = || {
        s3.put_object()
            .bucket("locks")
            .key("a b/é")
            .body(ByteStream::from_static(b"me"))
    };
    let first = put().if_none_match("*").send().await.expect("first");
    let second = put().if_none_match("*").send().await.expect_err("second");
    assert_eq!(
        second.raw_response().map(|r| r.status().as_u16()),
        Some(412)
    );
    assert_eq!(second.code(), Some("PreconditionFailed"));

    let got = s3
        .get_object()
        .bucket("locks")
        .key("a b/é")
        .send()
        .await
        .expect("got");
    assert_eq!(got.e_tag(), first.e_tag());
    let body = got.body.collect().await.expect("body").into_bytes();
    assert_eq!(&body[..], b"me");
    let stale = s3
        .delete_object()
        .bucket("locks")
        .key("a b/é")
        .if_match("\"0\"");
    assert_eq!(
        stale.send().await.expect_err("stale").code(),
        Some("PreconditionFailed")
    );
    let release = s3.delete_object().bucket("locks").key("a b/é");
    release
        .set_if_match(first.e_tag().map(str::to_owned))
        .send()
        .await
        .expect("released");
    let gone = s3
        .get_object()
        .bucket("locks")
        .key("a b/é")
        .send()
        .await
        .expect_err("gone");
    assert!(gone.into_service_error().is_no_such_key());
    let head = s3
        .head_object()
        .bucket("locks")
        .key("a")
        .send()
        .await
        .expect_err("none");
    assert!(head.into_service_error().is_not_found());
}

#[tokio::test]
async fn images_are_described_with_their_facts() {
    let endpoint = Endpoint::open().await;
    let image = endpoint
        .cloud
        .ecr
        .publish("api", "1.0.0", &[], &[], 1_700_000_000_000);
    let ecr = client!(aws_sdk_ecr, endpoint);
    let described = ecr
        .describe_images()
        .repository_name("api")
        .send()
        .await
        .expect("images");
    let detail = &described.image_details()[0];
    assert_eq!(detail.image_digest(), Some(&*image.digest));
    assert_eq!(
        detail.image_pushed_at().map(|at| at.secs()),
        Some(1_700_000_000)
    );
    let missing = ecr
        .describe_images()
        .repository_name("no")
        .send()
        .await
        .expect_err("none");
    assert!(
        missing
            .into_service_error()
            .is_repository_not_found_exception()
    );
}

#[tokio::test]
async fn an_assumed_roles_keys_sign_and_carry_its_name() {
    let endpoint = Endpoint::open().await;
    let sts = client!(aws_sdk_sts, endpoint);
    let given = sts
        .assume_role()
        .role_arn("arn:aws:iam::123456789012:role/deployer")
        .role_session_name("night-shift")
        .send()
        .await
        .expect("assumed");
    let keys = given.credentials().expect("keys");
    let config = sts
        .config()
        .to_builder()
        .credentials_provider(aws_credential_types::Credentials::new(
            keys.access_key_id(),
            keys.secret_access_key(),
            Some(keys.session_token().to_owned()),
            None,
            "assumed",
        ))
        .build();
    let assumed = aws_sdk_sts::Client::from_conf(config);
    let caller = assumed.get_caller_identity().send().await.expect("caller");
    let arn = "arn:aws:sts::123456789012:assumed-role/deployer/night-shift";
    assert_eq!(caller.arn(), Some(arn));
}

#[tokio::test]
async fn a_blackout_drops_connections_until_it_is_lifted() {
    let endpoint = Endpoint::open().await;
    let sts = client!(aws_sdk_sts, endpoint);
    let blackout = br#"{"kind": "blackout", "durationMs": 60000}"#;
    let door = "/_opsconsole/faults";
    endpoint
        .send("opsconsole", "POST", door, &[], blackout)
        .await;
    let error = sts
        .get_caller_identity()
        .send()
        .await
        .expect_err("nobody there");
    assert!(
        error.as_service_error().is_none(),
        "no answer at all: {error:?}"
    );
    endpoint.send("opsconsole", "DELETE", door, &[], b"").await;
    sts.get_caller_identity().send().await.expect("back");
}
