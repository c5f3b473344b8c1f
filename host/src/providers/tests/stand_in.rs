//! All providers against the stand-in, which reads what they send as the providers' documentation says.

use std::sync::Arc;

use providers_stand_in::{Fault, Faults, Provider as Known, Settings, StandIn};

use crate::{
    json::Json,
    notifications::{Channel, Message, NotificationId},
    providers::{
        Connection, Delivery, FailureKind, Outcome, Provider, Secret, airship, meta, sendgrid, tests::failure, webhook,
    },
};

fn open(stand_in: &StandIn, secret: Option<&str>) -> [Arc<dyn Provider>; 4] {
    let connection = |name: &str, url: String| {
        let mut connection = Connection::new(name.parse().unwrap(), url);
        connection.timeout = std::time::Duration::from_secs(600);
        connection
    };
    let secret = |right: &str| Secret::new(secret.unwrap_or(right).to_owned());
    [
        sendgrid::open(sendgrid::Settings {
            connection: connection("mail", stand_in.url()),
            api_key: secret("SG.stand-in"),
            from: "wins@casino.example".parse().unwrap(),
            from_name: None,
        }),
        airship::open(airship::Settings {
            connection: connection("push", stand_in.url()),
            app_key: "stand-in".to_owned(),
            credentials: airship::Credentials::MasterSecret(secret("master")),
            devices: airship::Device::ALL.to_vec(),
        }),
        meta::open(meta::Settings {
            connection: connection("facebook", stand_in.url()),
            version: meta::VERSION.to_owned(),
            access_token: secret("1|stand-in"),
            app_link: String::new(),
        }),
        webhook::open(webhook::Settings {
            connection: connection("hook", stand_in.webhook_url()),
            secret: secret("whsec"),
        }),
    ]
    .map(Result::unwrap)
}

fn delivery(channel: Channel, number: u32) -> Delivery {
    let text = format!("You won {number} \u{1f3b0} & \"more\"");
    let message = match channel {
        Channel::Email => {
            // Some have both bodies, some are too long to share a call.
            let html = number.is_multiple_of(3).then(|| format!("<p>{text}</p>{}", "x".repeat(200 * number as usize)));
            Message::Email { subject: "A win".to_owned(), text: Some(text), html }
        }
        Channel::Push => Message::Push { title: Some("A win".to_owned()), text },
        Channel::Social => Message::Social { text, link: Some(format!("?win={number}")) },
        Channel::Webhook => Message::Webhook { body: Json::of(&text).unwrap() },
    };
    let mut entropy = [channel.name().as_bytes()[0]; 16];
    entropy[..4].copy_from_slice(&number.to_be_bytes());
    // Some share an address, some have one that is refused.
    let to = match number {
        number if number % 20 == 7 => format!("refused-{number}@example.com"),
        number => format!("player-{}@example.com", number % 40),
    };
    Delivery { notification: NotificationId::from_entropy(entropy), to: to.parse().unwrap(), message }
}

/// Delivers until there is nothing left that is worth another attempt; how many were delivered and refused.
async fn deliver_all(provider: &dyn Provider, mut left: Vec<Delivery>) -> (u64, u64) {
    let (mut delivered, mut refused) = (0, 0);
    for _ in 0..100 {
        let mut again = Vec::new();
        for deliveries in left.chunks(provider.bulk_max()) {
            for (delivery, outcome) in deliveries.iter().zip(provider.deliver(deliveries).await) {
                match outcome {
                    Outcome::Delivered { .. } => delivered += 1,
                    Outcome::Refused { .. } => refused += 1,
                    Outcome::Failed(_) => again.push(delivery.clone()),
                }
            }
        }
        if again.is_empty() {
            break;
        }
        left = again;
    }
    (delivered, refused)
}

#[tokio::test]
async fn whatever_fails_everybody_is_told_once_or_known_to_be_nobody() {
    let stand_in = StandIn::start(Settings::at_once()).await.unwrap();
    let faults = [Fault::Internal, Fault::Unavailable, Fault::Throttled, Fault::BrokenOff, Fault::Malformed];
    stand_in.set_faults(Faults::of(0.3, &faults));
    for provider in open(&stand_in, None) {
        let deliveries = (0..120).map(|number| delivery(provider.channel(), number)).collect();
        assert_eq!(deliver_all(&*provider, deliveries).await, (114, 6), "{}", provider.name());
    }
    let counts = stand_in.counts();
    assert!(counts.all.failed > 0, "{counts:?}");
    for of_one in [counts.email, counts.push, counts.social, counts.webhook] {
        assert_eq!((of_one.accepted, of_one.distinct, of_one.doubled), (114, 114, 0));
    }
    let all = counts.all;
    assert_eq!((all.unauthorized, all.malformed, all.renamed, all.changed), (0, 0, 0, 0));
}

#[tokio::test]
async fn an_outage_and_a_wrong_key_are_known_for_what_they_are() {
    let stand_in = StandIn::start(Settings::at_once()).await.unwrap();
    for provider in open(&stand_in, Some("wrong")) {
        let outcomes = provider.deliver(&[delivery(provider.channel(), 1), delivery(provider.channel(), 2)]).await;
        for outcome in outcomes {
            let (kind, why) = failure(&outcome);
            assert!(kind == FailureKind::Unauthorized, "{why}");
        }
    }
    stand_in.set_faults_of(Known::Push, Faults::outage());
    for provider in open(&stand_in, None) {
        let outcomes = provider.deliver(&[delivery(provider.channel(), 1)]).await;
        match provider.channel() {
            Channel::Push => assert_eq!(failure(&outcomes[0]).0, FailureKind::Unavailable),
            _ => assert!(matches!(outcomes[0], Outcome::Delivered { .. }), "{outcomes:?}"),
        }
    }
}
