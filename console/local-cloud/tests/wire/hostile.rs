//! Bodies, headers and sizes that no SDK sends: refused, and the next request is answered.

use crate::support::Endpoint;

const ECS: &str = "AmazonEC2ContainerServiceV20141113.ListClusters";

/// A form in the protocol's words, and what it must be answered with.
struct Case {
    service: &'static str,
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: &'static [u8],
    status: u16,
    says: &'static str,
}

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
const ALARMS: &str = "/service/GraniteServiceVersion20100801/operation/DescribeAlarms";

const CASES: [Case; 12] = [
    Case {
        service: "ecs",
        method: "POST",
        path: "/",
        headers: &[("x-amz-target", ECS)],
        body: b"{",
        status: 400,
        says: "SerializationException",
    },
    Case {
        service: "ecs",
        method: "POST",
        path: "/",
        headers: &[("x-amz-target", ECS)],
        body: b"\xff\xfe",
        status: 400,
        says: "SerializationException",
    },
    Case {
        service: "ecs",
        method: "POST",
        path: "/",
        headers: &[("x-amz-target", "x")],
        body: b"{}",
        status: 400,
        says: "UnknownOperationException",
    },
    Case {
        service: "logs",
        method: "POST",
        path: "/",
        headers: &[("x-amz-target", "Logs_20140328.FilterLogEvents")],
        body: b"[]",
        status: 400,
        says: "InvalidParameterException",
    },
    Case {
        service: "logs",
        method: "POST",
        path: "/",
        headers: &[("x-amz-target", "Logs_20140328.CreateLogGroup")],
        body: b"{\"logGroupName\": \"\\u001b[2J\"}",
        status: 400,
        says: "InvalidParameterException",
    },
    Case {
        service: "monitoring",
        method: "POST",
        path: ALARMS,
        headers: &[],
        body: b"\x9f\x9f\x9f",
        status: 400,
        says: "SerializationException",
    },
    Case {
        service: "monitoring",
        method: "POST",
        path: "/service/Other/operation/X",
        headers: &[],
        body: b"\xa0",
        status: 400,
        says: "UnknownOperationException",
    },
    Case {
        service: "sts",
        method: "POST",
        path: "/",
        headers: &[FORM],
        body: b"Action=Nothing&Version=2011-06-15",
        status: 400,
        says: "<Code>InvalidAction</Code>",
    },
    Case {
        service: "sts",
        method: "POST",
        path: "/",
        headers: &[FORM],
        body: b"%%%=&&&",
        status: 400,
        says: "<Code>InvalidAction</Code>",
    },
    Case {
        service: "monitoring",
        method: "POST",
        path: "/",
        headers: &[FORM],
        body: b"Action=DescribeAlarms&Version=2010-08-01&MaxRecords=x&StateValue=%3C",
        status: 400,
        says: "&lt;",
    },
    Case {
        service: "s3",
        method: "PUT",
        path: "/No_Bucket",
        headers: &[],
        body: b"",
        status: 400,
        says: "InvalidBucketName",
    },
    Case {
        service: "s3",
        method: "PATCH",
        path: "/b/k",
        headers: &[],
        body: b"",
        status: 405,
        says: "MethodNotAllowed",
    },
];

#[tokio::test]
async fn what_makes_no_sense_is_refused_in_the_protocols_own_shape() {
    let endpoint = Endpoint::open().await;
    for case in &CASES {
        let answer = endpoint
            .send(
                case.service,
                case.method,
                case.path,
                case.headers,
                case.body,
            )
            .await;
        let asked = format!("{} {} {:?}", case.method, case.path, case.headers);
        assert_eq!(answer.status, case.status, "{asked}: {}", answer.text);
        assert!(answer.text.contains(case.says), "{asked}: {}", answer.text);
    }
}

#[tokio::test]
async fn noise_in_every_protocol_never_ends_the_endpoint() {
    let endpoint = Endpoint::open().await;
    let targets = [
        "Logs_20140328.PutLogEvents",
        "AmazonEC2ContainerRegistry_V20150921.PutImage",
        "AmazonEC2ContainerServiceV20141113.UpdateService",
        "GraniteServiceVersion20100801.PutMetricAlarm",
    ];
    let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut noise = |len: usize| -> Vec<u8> {
        std::iter::repeat_with(|| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 32) as u8
        })
        .take(len)
        .collect()
    };
    for round in 0..40 {
        let body = noise(round * 7);
        let target = ("x-amz-target", targets[round % targets.len()]);
        let json = endpoint.send("ecs", "POST", "/", &[target], &body).await;
        let cbor = endpoint
            .send("monitoring", "POST", ALARMS, &[], &body)
            .await;
        let form = endpoint.send("sts", "POST", "/", &[FORM], &body).await;
        for answer in [json, cbor, form] {
            assert!(
                (200..500).contains(&answer.status),
                "round {round}: {}",
                answer.text
            );
        }
        // Not HTTP at all: whatever comes back, the next round is answered.
        endpoint.send_raw(&body).await;
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_without_being_held() {
    let endpoint = Endpoint::open().await;
    let head = "POST / HTTP/1.1\r\nhost: x\r\nx-amz-target: Logs_20140328.PutLogEvents\r\ncontent-length: 17825792\r\n\r\n";
    let bytes = [head.as_bytes(), &vec![b' '; 17 * 1024 * 1024]].concat();
    let answer = endpoint.send_raw(&bytes).await;
    // The answer may be cut off by the reset of what was not read; never is it a success.
    assert!(matches!(answer.status, 413 | 0), "{}", answer.text);
    let after = endpoint
        .send("ecs", "POST", "/", &[("x-amz-target", ECS)], b"{}")
        .await;
    assert_eq!(after.status, 200, "{}", after.text);
}

#[tokio::test]
async fn a_signature_holds_for_one_request_only() {
    let endpoint = Endpoint::open().await;
    let good = endpoint
        .send("ecs", "POST", "/", &[("x-amz-target", ECS)], b"{}")
        .await;
    assert_eq!(good.status, 200, "{}", good.text);
    let unsigned = format!(
        "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-amz-target: {ECS}\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    let refused = endpoint.send_raw(unsigned.as_bytes()).await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.text.contains("MissingAuthenticationTokenException"),
        "{}",
        refused.text
    );
    // A signature over everything but the host would be good for any other place.
    let no_host = "POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-amz-date: 20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/ecs/aws4_request, SignedHeaders=x-amz-date, Signature=0\r\ncontent-length: 0\r\n\r\n";
    let refused = endpoint.send_raw(no_host.as_bytes()).await;
    assert!((400..500).contains(&refused.status), "{}", refused.text);
}
