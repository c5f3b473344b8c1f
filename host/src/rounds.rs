//! The money of a round: what a game may do with a player's balance in one step. Pure rules over the ledger:
//! a stake goes into escrow, a refund comes out of it, a payout comes from the house, and settlement gives the house
//! what escrow still holds.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{
    identity::GameId,
    limits::STEP_TRANSFERS_MAX,
    money::{Account, Amount, AmountTooLarge, Currency, Ledger, Transfer, TransferError},
};

/// What a round has taken and given so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stakes {
    /// Staked, less what was refunded: what escrow holds for the round.
    pub staked: Amount,
    /// Paid out.
    pub paid: Amount,
}

/// What an aggregate holds in the accounts that a game does not see, in minor units of one currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positions {
    /// [`Account::Escrow`].
    pub escrow: i64,
    /// [`Account::House`] of the game.
    pub house: i64,
}

/// Why the host declines; an ordinary answer to the game.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The balance does not cover the stake.
    #[error("the balance does not cover the stake")]
    InsufficientFunds,
    /// Money moves only within a round, which a stake opens.
    #[error("no round is open: stake first")]
    NoOpenRound,
    /// A transfer of nothing.
    #[error("the amount is zero")]
    ZeroAmount,
    /// An amount or a balance would pass 2^53 - 1.
    #[error(transparent)]
    AmountTooLarge(#[from] AmountTooLarge),
    /// More is given back than was staked.
    #[error("a round refunds at most what it has staked")]
    RefundOverStake,
    /// More than [`STEP_TRANSFERS_MAX`].
    #[error("a step makes at most {STEP_TRANSFERS_MAX} transfers")]
    TooManyTransfers,
}

impl Refusal {
    /// The code that the contract documents.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::InsufficientFunds => "insufficient-funds",
            Self::NoOpenRound => "no-open-round",
            Self::ZeroAmount => "zero-amount",
            Self::AmountTooLarge(_) => "amount-too-large",
            Self::RefundOverStake => "refund-over-stake",
            Self::TooManyTransfers => "too-many-transfers",
        }
    }
}

/// The money of one step: the ledger before it, and what the step does to it.
#[derive(Clone, Debug)]
pub struct RoundMoney {
    game: GameId,
    currency: Currency,
    ledger: Ledger,
    round: Option<Stakes>,
    transfers: Vec<Transfer>,
    /// A position of the aggregate's kept a transfer from being made, its balance aside.
    met_a_bound: bool,
}

impl RoundMoney {
    /// The money of a step of `game`; `round` is what the open round has taken and given, `None` where none is open.
    #[must_use]
    pub fn new(game: GameId, currency: Currency, ledger: Ledger, round: Option<Stakes>) -> Self {
        Self { game, currency, ledger, round, transfers: Vec::new(), met_a_bound: false }
    }

    /// What the player can stake.
    #[must_use]
    pub fn balance(&self) -> Amount {
        self.ledger.balance(self.currency)
    }

    /// What the round has staked, less what it gave back.
    #[must_use]
    pub fn staked(&self) -> Amount {
        self.round.map_or(Amount::ZERO, |round| round.staked)
    }

    /// The open round's stakes and payouts.
    #[must_use]
    pub fn round(&self) -> Option<Stakes> {
        self.round
    }

    /// What was moved in this step, in order.
    #[must_use]
    pub fn transfers(&self) -> &[Transfer] {
        &self.transfers
    }

    /// The positions before the step, where one of them has kept money from moving: what the game was told then does not
    /// follow from what it saw.
    #[must_use]
    pub fn positions_met(&self) -> Option<Positions> {
        let before = |account: &Account| {
            let moved = self.transfers.iter().map(|Transfer { from, to, amount, .. }| match account {
                account if account == to => amount.signed(),
                account if account == from => -amount.signed(),
                _ => 0,
            });
            self.ledger.position(account, self.currency) - moved.sum::<i64>()
        };
        let house = Account::House(self.game.clone());
        self.met_a_bound.then(|| Positions { escrow: before(&Account::Escrow), house: before(&house) })
    }

    /// Takes a stake into the round and opens it where none is open. Answers with the new balance.
    ///
    /// # Errors
    /// [`Refusal`]; then nothing has moved.
    pub fn stake(&mut self, amount: u64) -> Result<Amount, Refusal> {
        let amount = self.admit(amount)?;
        let mut round = self.round.unwrap_or_default();
        round.staked = round.staked.plus(amount)?;
        self.transfer(Account::Player, Account::Escrow, amount)?;
        self.round = Some(round);
        Ok(self.balance())
    }

    /// Pays out of the house. Answers with the new balance.
    ///
    /// # Errors
    /// [`Refusal`]; then nothing has moved.
    pub fn pay(&mut self, amount: u64) -> Result<Amount, Refusal> {
        let mut round = self.round.ok_or(Refusal::NoOpenRound)?;
        let amount = self.admit(amount)?;
        round.paid = round.paid.plus(amount)?;
        self.transfer(Account::House(self.game.clone()), Account::Player, amount)?;
        self.round = Some(round);
        Ok(self.balance())
    }

    /// Gives back from the round's stake. Answers with the new balance.
    ///
    /// # Errors
    /// [`Refusal`]; then nothing has moved.
    pub fn refund(&mut self, amount: u64) -> Result<Amount, Refusal> {
        let mut round = self.round.ok_or(Refusal::NoOpenRound)?;
        let amount = self.admit(amount)?;
        round.staked = round.staked.minus(amount).ok_or(Refusal::RefundOverStake)?;
        self.transfer(Account::Escrow, Account::Player, amount)?;
        self.round = Some(round);
        Ok(self.balance())
    }

    /// Closes the round: what escrow still holds of it goes to the house.
    ///
    /// # Errors
    /// [`Refusal::AmountTooLarge`] where the house's position would pass its bound; then nothing has moved.
    pub fn settle(&mut self) -> Result<(), Refusal> {
        let rest = self.staked();
        if rest > Amount::ZERO {
            // Settlement is the host's own transfer and has a place beyond the game's share of them.
            self.transfer(Account::Escrow, Account::House(self.game.clone()), rest)?;
        }
        Ok(())
    }

    /// The ledger after the step, and the transfers that led there.
    #[must_use]
    pub fn finish(self) -> (Ledger, Vec<Transfer>) {
        (self.ledger, self.transfers)
    }

    fn admit(&self, amount: u64) -> Result<Amount, Refusal> {
        if self.transfers.len() >= STEP_TRANSFERS_MAX {
            return Err(Refusal::TooManyTransfers);
        }
        if amount == 0 {
            return Err(Refusal::ZeroAmount);
        }
        Ok(Amount::new(amount)?)
    }

    fn transfer(&mut self, from: Account, to: Account, amount: Amount) -> Result<(), Refusal> {
        let transfer = self.ledger.transfer(from, to, self.currency, amount).map_err(|error| match error {
            TransferError::Insufficient { .. } => Refusal::InsufficientFunds,
            TransferError::TooLarge(error) => {
                self.met_a_bound = true;
                error.into()
            }
        })?;
        self.transfers.push(transfer);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::AMOUNT_MAX;

    fn money(balance: u64) -> RoundMoney {
        let currency = "EUR".parse().unwrap();
        let mut ledger = Ledger::default();
        if balance > 0 {
            ledger.transfer(Account::Operator, Account::Player, currency, Amount::new(balance).unwrap()).unwrap();
        }
        RoundMoney::new("slots".parse().unwrap(), currency, ledger, None)
    }

    #[test]
    fn the_positions_are_told_that_keep_money_from_moving() {
        let currency = "EUR".parse().unwrap();
        let house = Account::House("slots".parse().unwrap());
        let max = i64::try_from(AMOUNT_MAX).unwrap();
        let ledger =
            Ledger::with_positions(currency, [(Account::Player, 1000), (Account::Escrow, 40), (house, 5 - max)]);
        let mut money = RoundMoney::new("slots".parse().unwrap(), currency, ledger, None);
        money.stake(10).unwrap();
        money.pay(5).unwrap();
        assert_eq!(money.positions_met(), None);
        assert!(matches!(money.pay(1), Err(Refusal::AmountTooLarge(_))));
        assert_eq!(money.positions_met(), Some(Positions { escrow: 40, house: 5 - max }));
    }

    #[test]
    fn a_round_takes_pays_and_settles() {
        let mut money = money(1000);
        assert_eq!(money.stake(300), Ok(Amount::new(700).unwrap()));
        assert_eq!(money.refund(100), Ok(Amount::new(800).unwrap()));
        assert_eq!(money.pay(500), Ok(Amount::new(1300).unwrap()));
        money.settle().unwrap();
        let (ledger, transfers) = money.finish();
        let currency = "EUR".parse().unwrap();
        assert_eq!(ledger.position(&Account::Player, currency), 1300);
        assert_eq!(ledger.position(&Account::Escrow, currency), 0);
        assert_eq!(ledger.position(&Account::House("slots".parse().unwrap()), currency), -300);
        assert_eq!(transfers.len(), 4);
    }

    #[test]
    fn what_is_refused_moves_nothing() {
        let mut money = money(100);
        assert_eq!(money.pay(1), Err(Refusal::NoOpenRound));
        assert_eq!(money.refund(1), Err(Refusal::NoOpenRound));
        assert_eq!(money.stake(0), Err(Refusal::ZeroAmount));
        assert_eq!(money.stake(101), Err(Refusal::InsufficientFunds));
        assert_eq!(money.stake(AMOUNT_MAX + 1), Err(Refusal::AmountTooLarge(AmountTooLarge)));
        assert_eq!(money.round(), None);
        money.stake(100).unwrap();
        assert_eq!(money.refund(101), Err(Refusal::RefundOverStake));
        assert_eq!(money.pay(AMOUNT_MAX + 1), Err(Refusal::AmountTooLarge(AmountTooLarge)));
        assert_eq!(money.pay(u64::MAX), Err(Refusal::AmountTooLarge(AmountTooLarge)));
        assert_eq!((money.balance(), money.transfers().len()), (Amount::ZERO, 1));
    }

    #[test]
    fn a_step_has_room_for_its_transfers_and_settlement() {
        let mut money = money(10_000);
        for _ in 0..STEP_TRANSFERS_MAX {
            money.stake(1).unwrap();
        }
        assert_eq!(money.stake(1), Err(Refusal::TooManyTransfers));
        money.settle().unwrap();
    }

    proptest! {
        #[test]
        fn money_is_neither_made_nor_lost(balance in 0..=AMOUNT_MAX, acts in prop::collection::vec((0..3, prop_oneof![0..5000u64, any::<u64>()]), 0..60)) {
            let mut money = money(balance);
            for (act, amount) in acts {
                let before = (money.balance(), money.round(), money.transfers().len());
                let outcome = match act { 0 => money.stake(amount), 1 => money.pay(amount), _ => money.refund(amount) };
                if outcome.is_err() {
                    prop_assert_eq!(before, (money.balance(), money.round(), money.transfers().len()));
                }
                let escrow = money.ledger.position(&Account::Escrow, money.currency);
                prop_assert_eq!(u64::try_from(escrow).unwrap(), money.staked().get());
            }
            let (staked, paid) = money.round().map_or((0, 0), |round| (round.staked.get(), round.paid.get()));
            if money.settle().is_ok() {
                let (ledger, _) = money.finish();
                let currency = "EUR".parse().unwrap();
                prop_assert_eq!(i128::from(ledger.balance(currency).get()), i128::from(balance) - i128::from(staked) + i128::from(paid));
                prop_assert_eq!(ledger.position(&Account::Escrow, currency), 0);
                prop_assert_eq!(ledger.positions().map(|(_, _, position)| position).sum::<i64>(), 0);
            }
        }
    }
}
