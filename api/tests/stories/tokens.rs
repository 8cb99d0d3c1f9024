//! Access tokens of an OpenID Connect provider that runs in this test.

use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::extract::State;
use axum::{Json, Router, routing};
use hyper::{Method, StatusCode};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::support::local_server::LocalServer;
use crate::support::{Answer, Api, Start, request, until};

const AUDIENCE: &str = "opsconsole-api";

/// A key pair made for one test.
struct Signer {
    id: &'static str,
    key: EncodingKey,
}

impl Signer {
    fn new(id: &'static str) -> Self {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
                .expect("a key");
        Self {
            id,
            key: EncodingKey::from_ec_der(pkcs8.as_ref()),
        }
    }

    fn published(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.key, Algorithm::ES256).expect("a public key");
        jwk.common.key_id = Some(self.id.into());
        serde_json::to_value(jwk).expect("JSON")
    }

    fn sign(&self, claims: &Value) -> String {
        let mut head = Header::new(Algorithm::ES256);
        head.kid = Some(self.id.into());
        encode(&head, claims, &self.key).expect("a token")
    }
}

/// What the provider publishes, and how often it was asked.
#[derive(Default)]
struct Published {
    keys: Vec<Value>,
    asked: usize,
}

struct Provider {
    server: LocalServer,
    published: Arc<Mutex<Published>>,
}

impl Provider {
    async fn start(signers: &[&Signer]) -> Self {
        let published = Arc::new(Mutex::new(Published::default()));
        let routes = Router::new()
            .route(
                "/.well-known/openid-configuration",
                routing::get(|headers: axum::http::HeaderMap| async move {
                    let host = headers["host"].to_str().expect("ASCII").to_owned();
                    Json(json!({
                        "issuer": format!("http://{host}"),
                        "jwks_uri": format!("http://{host}/keys"),
                    }))
                }),
            )
            .route(
                "/keys",
                routing::get(
                    |State(published): State<Arc<Mutex<Published>>>| async move {
                        let mut published = published.lock().expect("no panic holds it");
                        published.asked += 1;
                        Json(json!({"keys": published.keys}))
                    },
                ),
            )
            .with_state(Arc::clone(&published));
        let provider = Self {
            server: LocalServer::start(routes).await,
            published,
        };
        provider.publish(signers);
        provider
    }

    fn publish(&self, signers: &[&Signer]) {
        let mut published = self.published.lock().expect("no panic holds it");
        published.keys = signers.iter().map(|signer| signer.published()).collect();
    }

    fn asked(&self) -> usize {
        self.published.lock().expect("no panic holds it").asked
    }

    /// Claims that open everything their role does.
    fn claims(&self, role: &str) -> Value {
        json!({
            "iss": self.server.url(),
            "aud": [AUDIENCE, "another"],
            "sub": "ann@example.com",
            "exp": jiff::Timestamp::now().as_second() + 300,
            "roles": [role],
        })
    }

    async fn api(&self) -> Api {
        Start::new()
            .set("AUTH", "on")
            .set("OIDC_ISSUER", &self.server.url())
            .set("OIDC_AUDIENCE", AUDIENCE)
            .ready()
            .await
    }
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

async fn send(api: &Api, token: &str, method: Method, path: &str, body: &str) -> Answer {
    let mut asked = request(method, path, body);
    let value = format!("Bearer {token}").parse().expect("a header");
    asked.headers_mut().insert("authorization", value);
    api.send(asked).await
}

async fn get(api: &Api, token: &str) -> Answer {
    send(api, token, Method::GET, "/items", "").await
}

#[tokio::test]
async fn a_token_opens_what_the_role_in_its_claim_does() {
    let signer = Signer::new("one");
    let provider = Provider::start(&[&signer]).await;
    let api = provider.api().await;
    let reader = signer.sign(&provider.claims("reader"));
    let writer = signer.sign(&provider.claims("writer"));
    let nobody = signer.sign(&provider.claims("gardener"));
    let item = r#"{"name": "tea"}"#;
    assert_eq!(get(&api, &reader).await.status, StatusCode::OK);
    for (token, status) in [(&reader, 403), (&writer, 201), (&nobody, 403)] {
        let answer = send(&api, token, Method::POST, "/items", item).await;
        assert_eq!(answer.status.as_u16(), status, "{answer:?}");
    }
    let line = api
        .process
        .line(|line| line["principal"] == "oidc:ann@example.com")
        .await;
    assert_eq!(line["message"], "request");
    assert_eq!(provider.asked(), 1, "the keys are fetched once");
}

#[tokio::test]
async fn a_token_that_is_not_for_us_or_not_for_now_says_why_it_is_refused() {
    let signer = Signer::new("one");
    let provider = Provider::start(&[&signer]).await;
    let api = provider.api().await;
    let claims = provider.claims("admin");
    let now = jiff::Timestamp::now().as_second();
    let cases = [
        (with(claims.clone(), "exp", json!(now - 120)), "expired"),
        (
            with(claims.clone(), "nbf", json!(now + 120)),
            "not valid yet",
        ),
        (
            with(claims.clone(), "aud", json!("billing")),
            "another service",
        ),
        (
            with(claims.clone(), "iss", json!("https://evil.example.com")),
            "another issuer",
        ),
        (with(claims.clone(), "exp", Value::Null), "not one that"),
    ];
    for (claims, reason) in cases {
        let answer = get(&api, &signer.sign(&claims)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{claims}");
        let detail = answer.problem()["detail"].to_string();
        assert!(detail.contains(reason), "{detail} for {claims}");
    }
    // Within the leeway, clocks may differ.
    let skewed = with(with(claims, "exp", json!(now - 20)), "nbf", json!(now + 20));
    assert_eq!(
        get(&api, &signer.sign(&skewed)).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_token_signed_with_what_everyone_knows_is_refused() {
    let signer = Signer::new("one");
    let provider = Provider::start(&[&signer]).await;
    let api = provider.api().await;
    let claims = provider.claims("admin");
    // The public key as the secret of a symmetric signature: the classic confusion.
    let mut head = Header::new(Algorithm::HS256);
    head.kid = Some("one".into());
    let public = signer.published().to_string();
    let forged =
        encode(&head, &claims, &EncodingKey::from_secret(public.as_bytes())).expect("a token");
    let good = signer.sign(&claims);
    let (_, rest) = good.split_once('.').expect("three parts");
    // {"alg":"none"}
    let unsigned = format!("eyJhbGciOiJub25lIn0.{rest}");
    let (signed, _) = good.rsplit_once('.').expect("three parts");
    let other = Signer::new("one").sign(&claims);
    for token in [
        forged,
        unsigned,
        format!("{signed}."),
        format!("{good}A"),
        other,
    ] {
        let answer = get(&api, &token).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{token}");
        answer.problem();
    }
    assert_eq!(get(&api, &good).await.status, StatusCode::OK);
}

#[tokio::test]
async fn keys_that_the_provider_rotates_are_followed_without_flooding_it() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let provider = Provider::start(&[&old]).await;
    let api = provider.api().await;
    let claims = provider.claims("reader");
    assert_eq!(get(&api, &old.sign(&claims)).await.status, StatusCode::OK);

    provider.publish(&[&new]);
    assert_eq!(get(&api, &new.sign(&claims)).await.status, StatusCode::OK);
    let refused = get(&api, &old.sign(&claims)).await;
    let detail = refused.problem()["detail"].to_string();
    assert!(detail.contains("does not publish"), "{detail}");

    let before = provider.asked();
    let stranger = Signer::new("stranger").sign(&claims);
    for _ in 0..30 {
        assert_eq!(get(&api, &stranger).await.status, StatusCode::UNAUTHORIZED);
    }
    let more = provider.asked() - before;
    assert!(more <= 2, "the provider was asked {more} times more");
    assert_eq!(get(&api, &new.sign(&claims)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_provider_that_is_away_is_no_reason_to_let_anyone_in_or_to_fail_for_good() {
    let signer = Signer::new("one");
    let provider = Provider::start(&[]).await;
    let api = provider.api().await;
    let token = signer.sign(&provider.claims("reader"));
    let away = get(&api, &token).await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!away.header("retry-after").is_empty());
    assert_eq!(api.get("/readyz").await.status, StatusCode::OK);
    provider.publish(&[&signer]);
    until("the keys to be fetched", async || {
        (get(&api, &token).await.status == StatusCode::OK).then_some(())
    })
    .await;
}
