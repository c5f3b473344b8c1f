//! The operator's acts on a player: creation, sessions, deposits and withdrawals.

use super::{
    Outcome,
    group::Draft,
    replies::{Created, Paid, SessionClosed, SessionOpened},
    reply,
};
use crate::{
    aggregate::Session,
    errors::{ErrorReply, HostError},
    identity::{IdempotencyKey, Locale, SessionId},
    json::Json,
    money::{Account, Amount, Currency, TransferError},
    record::{Act, Payment, Reply},
};

/// A session to be opened.
#[derive(Clone, Debug)]
pub struct SessionRequest {
    /// What is played for.
    pub currency: Currency,
    /// The player's language.
    pub locale: Locale,
    /// How long it lasts, in milliseconds.
    pub ttl_ms: u64,
}

/// Money to be moved between operator and player.
#[derive(Clone, Debug)]
pub struct PaymentRequest {
    /// In which currency.
    pub currency: Currency,
    /// How much; more than nothing.
    pub amount: Amount,
    /// The operator's own words.
    pub reason: Option<String>,
}

impl Draft {
    pub(super) fn create(&mut self, key: Option<&IdempotencyKey>) -> Outcome {
        let created = reply(&Created { player: self.aggregate.id.name().to_owned() })?;
        if self.aggregate.step > 0 {
            return Ok(created);
        }
        self.take_step(key, Act::Created {}, Vec::new(), Reply::Result(created), |_| {})
    }

    pub(super) fn open_session(
        &mut self,
        request: &SessionRequest,
        entropy: [u8; 16],
        key: Option<&IdempotencyKey>,
    ) -> Outcome {
        let session = Session {
            id: SessionId::from_entropy(entropy),
            currency: request.currency,
            locale: request.locale.clone(),
            opened_at_ms: self.now_ms,
            expires_at_ms: self.now_ms.saturating_add(request.ttl_ms),
        };
        let opened = reply(&SessionOpened {
            player: self.aggregate.id.name().to_owned(),
            session: session.id.clone(),
            currency: session.currency,
            expires_at_ms: session.expires_at_ms,
            token: None,
        })?;
        let act = Act::SessionOpened(session.clone());
        self.take_step(key, act, Vec::new(), Reply::Result(opened), |aggregate| aggregate.open_session(session))
    }

    pub(super) fn close_session(&mut self, session: &SessionId, key: Option<&IdempotencyKey>) -> Outcome {
        let closed = self.aggregate.sessions.iter().any(|open| open.id == *session);
        let answer = reply(&SessionClosed { session: session.clone(), closed })?;
        if !closed {
            return Ok(answer);
        }
        let act = Act::SessionClosed { session: session.clone() };
        self.take_step(key, act, Vec::new(), Reply::Result(answer), |aggregate| {
            aggregate.close_session(session);
        })
    }

    pub(super) fn deposit(&mut self, request: &PaymentRequest, key: Option<&IdempotencyKey>) -> Outcome {
        self.pay(request, key, Account::Operator, Account::Player, Act::Deposited)
    }

    pub(super) fn withdraw(&mut self, request: &PaymentRequest, key: Option<&IdempotencyKey>) -> Outcome {
        self.pay(request, key, Account::Player, Account::Operator, Act::Withdrawn)
    }

    fn pay(
        &mut self,
        request: &PaymentRequest,
        key: Option<&IdempotencyKey>,
        from: Account,
        to: Account,
        act: fn(Payment) -> Act,
    ) -> Outcome {
        let PaymentRequest { currency, amount, reason } = request.clone();
        let mut ledger = self.aggregate.ledger.clone();
        let transfer = ledger.transfer(from, to, currency, amount).map_err(|error| match error {
            TransferError::Insufficient { .. } => self.insufficient(currency),
            TransferError::TooLarge(_) => HostError::AmountTooLarge.into(),
        })?;
        let paid: Json = reply(&Paid {
            player: self.aggregate.id.name().to_owned(),
            currency,
            amount,
            balance: transfer.balance,
            step: self.next_step(),
        })?;
        let act = act(Payment { currency, amount, reason });
        self.take_step(key, act, vec![transfer], Reply::Result(paid), |aggregate| aggregate.ledger = ledger)
    }

    fn insufficient(&self, currency: Currency) -> ErrorReply {
        HostError::InsufficientFunds { balance: self.aggregate.ledger.balance(currency), currency }.into()
    }
}

impl SessionRequest {
    pub(super) fn is_the_one_of(&self, session: &Session) -> bool {
        let ttl_ms = session.expires_at_ms - session.opened_at_ms;
        self.currency == session.currency && self.locale == session.locale && self.ttl_ms == ttl_ms
    }
}

impl PaymentRequest {
    pub(super) fn is_the_one_of(&self, payment: &Payment) -> bool {
        self.currency == payment.currency && self.amount == payment.amount && self.reason == payment.reason
    }
}
