//! Blackjack: six decks shuffled afresh for every round, the dealer stands on every 17, blackjack pays 3:2.
//!
//! A round lives over many calls. [`Blackjack::deal`] opens it; hit, stand, double, split and insure go on with it;
//! the call that leaves the player nothing to decide settles it. [`Blackjack::table`] shows it at any time, so an
//! interrupted round can be taken up again.
//!
//! Every card is drawn at the moment it is turned, from the composition of what is left of the shoe: there is no
//! hole card and no order of cards in the state, nor anywhere else.
//!
//! # Terms
//! Even stakes, so that 3:2 and half a stake are exact. Double on any first two cards, also after a split; split two
//! cards of equal value once, split aces take one card each and 21 on them is no blackjack. Insurance is half the
//! opening stake at 2:1, when the dealer shows an ace. A dealer's blackjack takes the opening stake only:
//! doubles and splits are given back.
//!
//! By basic strategy ([`strategy`]) the game returns 99.592 % of all that is staked; of the opening stake alone the
//! player loses 0.460 %. [`terms`] says what counts as staked, `tests/theoretical_return.rs` computes both.
//!
//! # Code
//! The modules are the rules and know nothing of the host; this file is the boundary.

use croupier_sdk::prelude::*;

pub mod cards;
pub mod hand;
pub mod round;
pub mod settlement;
mod simulation;
pub mod strategy;
pub mod terms;
pub mod view;

use cards::{Card, Shoe};
use round::{Action, Round};
use settlement::Settlement;
use terms::{MAX_WIN_PPM, RTP_PPM, STAKE_MAX, STAKE_MIN, STAKE_STEP};
use view::{RoundView, TableView};

/// A player's place at the table.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Blackjack {
    /// The round waiting for the player.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub round: Option<Round>,
}

/// What opens a round.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DealParams {
    /// The opening stake in minor units of the session's currency; even, so that every payout is exact.
    #[schemars(range(min = STAKE_MIN, max = STAKE_MAX), extend("multipleOf" = STAKE_STEP))]
    pub stake: u64,
}

/// Why a call was not played. Nothing was staked and no card was turned.
#[derive(Debug, PartialEq, Eq, Faults)]
pub enum Error {
    /// The call goes on with a round, and there is none.
    #[fault(1, "no hand is open: deal first")]
    NoHand,
    /// The round before is waiting for the player.
    #[fault(2, "a hand is open: play it first")]
    HandOpen {
        /// The methods that go on with it.
        actions: Vec<Action>,
    },
    /// The rules do not allow it at this point of the round.
    #[fault(3, "not allowed now")]
    NotAllowed {
        /// The methods that are.
        actions: Vec<Action>,
    },
    /// The opening stake is too small, too large or odd.
    #[fault(4, "the stake is {stake_min} to {stake_max} in steps of {stake_step}")]
    StakeOutsideLimits {
        /// In minor units.
        stake_min: u64,
        /// In minor units.
        stake_max: u64,
        /// In minor units.
        stake_step: u64,
    },
    /// The host declined a stake or a payment.
    #[fault(transparent)]
    Refused(Refusal),
}

#[game(id = "blackjack", title = "Blackjack", rtp_ppm = RTP_PPM, max_win_ppm = MAX_WIN_PPM, simulation)]
impl Blackjack {
    /// Opens a round: two cards for the player, one for the dealer.
    pub fn deal(&mut self, table: &mut Table, params: DealParams) -> Result<RoundView, Error> {
        if let Some(round) = self.open(table) {
            return Err(Error::HandOpen { actions: round.legal() });
        }
        if !(STAKE_MIN..=STAKE_MAX).contains(&params.stake) || !params.stake.is_multiple_of(STAKE_STEP) {
            let (stake_min, stake_max, stake_step) = (STAKE_MIN, STAKE_MAX, STAKE_STEP);
            return Err(Error::StakeOutsideLimits { stake_min, stake_max, stake_step });
        }
        table.stake(params.stake)?;
        let round = Round::deal(params.stake, &mut |shoe| draw(table, shoe));
        self.leave(table, round)
    }

    /// Takes a card on the hand whose turn it is.
    pub fn hit(&mut self, table: &mut Table) -> Result<RoundView, Error> {
        self.play(table, Action::Hit)
    }

    /// Takes no more cards on the hand whose turn it is.
    pub fn stand(&mut self, table: &mut Table) -> Result<RoundView, Error> {
        self.play(table, Action::Stand)
    }

    /// Doubles the stake of the hand whose turn it is for exactly one more card.
    pub fn double(&mut self, table: &mut Table) -> Result<RoundView, Error> {
        self.play(table, Action::Double)
    }

    /// Makes two hands of two cards of equal value, with the opening stake on each.
    pub fn split(&mut self, table: &mut Table) -> Result<RoundView, Error> {
        self.play(table, Action::Split)
    }

    /// Stakes half the opening stake, at 2:1, on the dealer's ace becoming a blackjack. To decline, do anything else.
    pub fn insure(&mut self, table: &mut Table) -> Result<RoundView, Error> {
        self.play(table, Action::Insure)
    }

    /// Shows the rules, the limits and the round waiting for the player. Changes nothing.
    pub fn table(&self, table: &Table) -> Result<TableView, Error> {
        Ok(TableView::new(self.open(table)))
    }
}

impl Blackjack {
    /// The round waiting for the player. One that the host no longer holds, because the operator has resolved it, is
    /// none.
    fn open(&self, table: &Table) -> Option<&Round> {
        self.round.as_ref().filter(|_| table.round_open())
    }

    fn play(&mut self, table: &mut Table, action: Action) -> Result<RoundView, Error> {
        let mut round = self.open(table).ok_or(Error::NoHand)?.clone();
        let actions = round.legal();
        if !actions.contains(&action) {
            return Err(Error::NotAllowed { actions });
        }
        let price = round.price(action);
        if price > 0 {
            table.stake(price)?;
        }
        round.play(action, &mut |shoe| draw(table, shoe));
        self.leave(table, round)
    }

    /// Keeps the round for the player's next call, or settles it if it is over.
    fn leave(&mut self, table: &mut Table, round: Round) -> Result<RoundView, Error> {
        if round.turn().is_some() {
            table.keep_round_open();
            let view = RoundView::new(&round, None);
            self.round = Some(round);
            return Ok(view);
        }
        let settlement = Settlement::of(&round);
        if settlement.refund() > 0 {
            table.refund(settlement.refund())?;
        }
        table.pay(settlement.payout())?;
        self.round = None;
        Ok(RoundView::new(&round, Some(&settlement)))
    }
}

/// The next card of a shuffled shoe.
fn draw(table: &mut Table, shoe: &Shoe) -> Card {
    shoe.card(table.below(shoe.len()))
}
