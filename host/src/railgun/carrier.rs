//! Brings the notifications of games from the outbox of the store to the railgun.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;

use crate::{
    identity::{Digest, PlayerId},
    notifications::{Channel, Notification, NotificationId, Recipient, Sender},
    record::{Effect, Told, ToldAct, ToldPlay},
    register::Accepting,
    relay::{Carrier, CarryError},
    store::Waiting,
};

/// Accepts what games want told.
pub struct NotificationCarrier {
    to: Arc<dyn Accepting>,
    defaults: Defaults,
}

/// What a game's notification does not say.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Defaults {
    /// 0 goes first.
    pub priority: u32,
    /// How long a notification is worth being delivered once it is due, in milliseconds.
    pub expires_after_ms: u64,
}

impl NotificationCarrier {
    /// To there.
    #[must_use]
    pub fn new(to: Arc<dyn Accepting>, defaults: Defaults) -> Self {
        Self { to, defaults }
    }

    fn notifications(&self, step: &Waiting) -> Result<Vec<Notification>, CarryError> {
        let told =
            step.told().map_err(|error| CarryError(format!("step {} of {}: {error}", step.step, step.aggregate)))?;
        let ToldAct::Played(play) = &told.act else { return Ok(Vec::new()) };
        let Ok(player) = step.aggregate.name().parse::<PlayerId>() else { return Ok(Vec::new()) };
        let of = |(ordinal, effect): (usize, &Effect)| self.notification(&told, play, &player, ordinal, effect);
        Ok(play.effects.iter().enumerate().filter_map(of).collect())
    }

    fn notification(
        &self,
        told: &Told,
        play: &ToldPlay,
        player: &PlayerId,
        ordinal: usize,
        effect: &Effect,
    ) -> Option<Notification> {
        let Effect::Notification { channel, template, data, delay_ms } = effect else { return None };
        // What no channel or template is called was granted to nobody.
        let (channel, template) = (Channel::named(channel)?, template.parse().ok()?);
        let due_ms = told.at_ms.saturating_add(*delay_ms);
        Some(Notification {
            id: NotificationId::of_effect(&told.aggregate, told.step, ordinal),
            sender: Sender::Game(play.game.clone()),
            channel,
            recipient: Recipient::Player(player.clone()),
            locale: Some(play.locale.clone()),
            template,
            data: data.clone(),
            priority: self.defaults.priority,
            accepted_at_ms: told.at_ms,
            due_ms,
            expires_ms: due_ms.saturating_add(self.defaults.expires_after_ms),
            request: Digest::ZERO,
        })
    }
}

#[async_trait]
impl Carrier for NotificationCarrier {
    async fn carry(&self, steps: Vec<Waiting>) -> Result<(), CarryError> {
        let mut notifications = Vec::new();
        for step in &steps {
            notifications.extend(self.notifications(step)?);
        }
        if !notifications.is_empty() {
            self.to.hand(notifications).await.map_err(|error| CarryError(error.to_string()))?;
        }
        Ok(())
    }
}
