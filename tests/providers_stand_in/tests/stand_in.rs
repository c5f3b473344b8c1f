//! The stand-in, called as a client without any of the host's code would.

#![expect(clippy::unwrap_used, reason = "in tests, helpers included, a failed unwrap is the report")]

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use providers_stand_in::{Counts, Fault, Faults, Latency, Provider, ProviderCounts, Settings, StandIn};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::{net::TcpStream, task::JoinSet};

/// A connection with what is sent on every call.
struct Client(http1::SendRequest<Full<Bytes>>);

impl Client {
    async fn connect(stand_in: &StandIn) -> Self {
        let stream = TcpStream::connect(stand_in.address()).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self(sender)
    }

    /// The status and the body; `None` where there is no answer.
    async fn call(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Option<(u16, String)> {
        let mut request = Request::builder().method(method).uri(path).header("host", "stand-in");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.0.send_request(request.body(Full::from(body.to_owned())).unwrap()).await.ok()?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some((status, String::from_utf8(body.to_vec()).unwrap()))
    }

    async fn push(&mut self, id: &str, to: &str) -> Option<(u16, String)> {
        let headers = [
            ("authorization", "Bearer master"),
            ("x-ua-appkey", "stand-in"),
            ("accept", "x; version=3"),
            ("idempotency-key", id),
        ];
        self.call("POST", "/api/push", &headers, &push(id, to).to_string()).await
    }

    async fn mail(&mut self, key: &str, personalizations: Value) -> (u16, String) {
        let body = json!({
            "personalizations": personalizations,
            "from": {"email": "a@example.com"},
            "content": [{"type": "text/plain", "value": "{{text}}"}],
        });
        let headers = [("authorization", "Bearer SG.stand-in"), ("idempotency-key", key)];
        self.call("POST", "/v3/mail/send", &headers, &body.to_string()).await.unwrap()
    }

    async fn meta(&mut self, path: &str, key: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.call("POST", path, &[("idempotency-key", key)], &form).await.unwrap()
    }
}

fn push(id: &str, to: &str) -> Value {
    json!({
        "audience": {"named_user": to},
        "device_types": ["ios"],
        "notification": {"alert": format!("Hello {to}"), "ios": {"extra": {"notification": id}}},
    })
}

fn personalization(id: &str, to: &str, text: &str) -> Value {
    json!({"to": [{"email": to}], "subject": "S", "substitutions": {"{{text}}": text}, "custom_args": {"notification": id}})
}

async fn start() -> (StandIn, Client) {
    let stand_in = StandIn::start(Settings::at_once()).await.unwrap();
    let client = Client::connect(&stand_in).await;
    (stand_in, client)
}

#[tokio::test]
async fn what_is_taken_twice_is_counted_as_doubled() {
    let (stand_in, mut client) = start().await;
    for (id, to) in [("n1", "a"), ("n2", "b"), ("n1", "a"), ("n1", "a"), ("n3", "refused-c")] {
        client.push(id, to).await.unwrap();
    }
    let expected = ProviderCounts {
        calls: 5,
        attempts: 5,
        accepted: 4,
        distinct: 2,
        doubled: 1,
        refused: 1,
        in_flight_max: 1,
        ..ProviderCounts::default()
    };
    assert_eq!(stand_in.counts(), Counts { all: expected, push: expected, ..Counts::default() });
    assert_eq!(stand_in.accepted()["n1"], 3);
    let (status, body) = client.call("GET", "/counts", &[], "").await.unwrap();
    assert_eq!((status, serde_json::from_str::<Counts>(&body).unwrap()), (200, stand_in.counts()));
    client.call("DELETE", "/counts", &[], "").await.unwrap();
    assert_eq!(stand_in.counts(), Counts::default());
}

#[tokio::test]
async fn several_are_taken_together_or_not() {
    let (stand_in, mut client) = start().await;
    let mails = json!([personalization("m1", "a@x", "one"), personalization("m2", "b@x", "two")]);
    assert_eq!(client.mail("both", mails).await.0, 202);
    let one_bad = json!([personalization("m3", "c@x", "one"), personalization("m4", "refused@x", "two")]);
    let (status, body) = client.mail("bad", one_bad).await;
    assert!(status == 400 && body.contains("personalizations.1.to.0.email"), "{body}");
    let same = json!([personalization("m3", "c@x", "one"), personalization("m4", "C@x", "two")]);
    assert_eq!(client.mail("same", same).await.0, 400);
    let large = json!([personalization("m3", "c@x", &"x".repeat(10_000))]);
    assert_eq!(client.mail("m3", large).await.0, 400);

    let body = format!("[{},{}]", push("p1", "a"), push("p2", "b"));
    let headers =
        [("authorization", "Basic c3RhbmQtaW46bWFzdGVy"), ("accept", "x; version=3"), ("idempotency-key", "all")];
    let (status, body) = client.call("POST", "/api/push", &headers, &body).await.unwrap();
    assert!(status == 202 && body.contains("push_ids"), "{body}");

    let member = |id: &str, user: &str| {
        let headers = json!([{"name": "Idempotency-Key", "value": id}]);
        json!({"method": "POST", "relative_url": format!("{user}/notifications"), "headers": headers, "body": "template=Hi"})
    };
    let batch = json!([member("s1", "1"), member("s2", "refused")]).to_string();
    let (status, body) = client.meta("/v24.0/", "batch", &[("access_token", "1|stand-in"), ("batch", &batch)]).await;
    let answers: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &answers[0]["code"], &answers[1]["code"]), (200, &json!(200), &json!(400)));

    let counts = stand_in.counts();
    assert_eq!((counts.email.accepted, counts.email.refused, counts.email.malformed), (2, 0, 2));
    assert_eq!((counts.push.accepted, counts.social.accepted, counts.social.refused), (2, 1, 1));
}

#[tokio::test]
async fn strangers_and_calls_of_another_form_are_turned_away() {
    let (stand_in, mut client) = start().await;
    let fields = [("access_token", "wrong"), ("template", "Hi")];
    let (status, body) = client.meta("/v24.0/1/notifications", "s1", &fields).await;
    assert!(status == 401 && body.contains("190"), "{body}");
    assert_eq!(client.call("POST", "/api/push", &[], "{}").await.unwrap().0, 401);
    assert_eq!(client.call("POST", "/v3/mail/send", &[], "{}").await.unwrap().0, 401);
    assert_eq!(stand_in.counts().all.unauthorized, 3);
    let fields = [("access_token", "1|stand-in"), ("template", "Hi")];
    assert_eq!(client.meta("/v24.0/1/notifications", "", &fields).await.0, 400);
    // Another notification in the header than within.
    assert_eq!(client.mail("m2", json!([personalization("m1", "a@x", "x")])).await.0, 400);
    assert_eq!(stand_in.counts().all.malformed, 2);
    assert_eq!(client.call("POST", "/v3/other", &[], "").await.unwrap().0, 404);
    assert_eq!(stand_in.counts().all.accepted, 0);
}

#[tokio::test]
async fn a_webhook_is_verified() {
    let (stand_in, mut client) = start().await;
    let body = r#"{"notification":"w1","to":"a","body":{"b": 1}}"#;
    let mut mac = Hmac::<Sha256>::new_from_slice(b"whsec").unwrap();
    mac.update(format!("17.{body}").as_bytes());
    let signature = format!("v1={}", HEXLOWER.encode(&mac.finalize().into_bytes()));
    for (timestamp, signature, status) in [("17", &*signature, 204), ("18", &signature, 401), ("17", "v1=00", 401)] {
        let headers =
            [("x-croupier-timestamp", timestamp), ("x-croupier-signature", signature), ("idempotency-key", "w1")];
        assert_eq!(client.call("POST", "/webhook", &headers, body).await.unwrap().0, status);
    }
    assert_eq!((stand_in.counts().webhook.accepted, stand_in.counts().webhook.unauthorized), (1, 2));
}

#[tokio::test]
async fn a_notification_under_another_name_is_seen() {
    let (stand_in, mut client) = start().await;
    client.push("n1", "a").await.unwrap();
    client.push("n2", "a").await.unwrap();
    client.push("n1", "b").await.unwrap();
    assert_eq!((stand_in.counts().all.renamed, stand_in.counts().all.changed), (1, 1));
}

#[tokio::test]
async fn every_fault_is_seen_by_the_client_and_counted() {
    let (stand_in, _) = start().await;
    for (fault, status) in [
        (Fault::Internal, Some(500)),
        (Fault::Unavailable, Some(503)),
        (Fault::Throttled, Some(429)),
        (Fault::Malformed, Some(202)),
        (Fault::BrokenOff, None),
        (Fault::AnswerLost, None),
    ] {
        stand_in.set_faults(Faults::of(1.0, &[fault]));
        let answer = Client::connect(&stand_in).await.push("n1", "a").await;
        assert_eq!(answer.map(|(status, _)| status), status, "{fault:?}");
    }
    // Only the answer was lost.
    assert_eq!((stand_in.counts().push.failed, stand_in.counts().push.accepted), (6, 1));
    let mut client = Client::connect(&stand_in).await;
    client.call("PUT", "/faults/push", &[], r#"{"outage":true}"#).await.unwrap();
    assert_eq!(client.push("n1", "a").await.unwrap().0, 503);
    client.call("PUT", "/faults", &[], "{}").await.unwrap();
    assert_eq!(client.push("n1", "a").await.unwrap().0, 202);
    stand_in.set_faults_of(Provider::Push, Faults::of(1.0, &[Fault::Silent]));
    let silent = tokio::time::timeout(std::time::Duration::from_millis(20), client.push("n2", "a"));
    assert!(silent.await.is_err());
}

#[tokio::test]
async fn hundreds_wait_at_once_and_are_forgotten_when_they_give_up() {
    let mut settings = Settings::default();
    settings.latencies.push = Latency { min_ms: 3_600_000, max_ms: 3_600_000, mean_ms: 3_600_000 };
    let stand_in = StandIn::start(settings).await.unwrap();
    let mut calls = JoinSet::new();
    for nth in 0..500 {
        let mut client = Client::connect(&stand_in).await;
        calls.spawn(async move { client.push(&format!("n{nth}"), "a").await });
    }
    while stand_in.counts().push.in_flight < 500 {
        tokio::task::yield_now().await;
    }
    calls.shutdown().await;
    while stand_in.counts().push.in_flight > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!((stand_in.counts().push.in_flight_max, stand_in.counts().push.accepted), (500, 0));
}
