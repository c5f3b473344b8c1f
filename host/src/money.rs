//! Money: amounts, currencies, accounts and the ledger that an aggregate carries.
//! Pure rules; amounts are integers, and no movement here can make or lose any.

use std::{borrow::Cow, collections::BTreeMap, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::{identity::GameId, text::text_in_json};

/// The largest amount and the largest balance: 2^53 - 1 minor units, which every JSON client reads exactly.
pub const AMOUNT_MAX: u64 = (1 << 53) - 1;

/// A quantity of money in the minor unit of its currency, at most [`AMOUNT_MAX`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Amount(u64);

/// An amount or a balance would pass [`AMOUNT_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("amounts and balances are at most {AMOUNT_MAX} minor units")]
pub struct AmountTooLarge;

impl Amount {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// # Errors
    /// [`AmountTooLarge`] above [`AMOUNT_MAX`].
    pub const fn new(minor_units: u64) -> Result<Self, AmountTooLarge> {
        if minor_units > AMOUNT_MAX { Err(AmountTooLarge) } else { Ok(Self(minor_units)) }
    }

    /// The amount in minor units.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// # Errors
    /// [`AmountTooLarge`] where the sum passes [`AMOUNT_MAX`].
    pub fn plus(self, other: Self) -> Result<Self, AmountTooLarge> {
        // Two amounts are below 2^54 together, so the sum itself cannot wrap.
        Self::new(self.0 + other.0)
    }

    /// The rest, or nothing where `other` is larger.
    #[must_use]
    pub fn minus(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    pub(crate) fn signed(self) -> i64 {
        i64::try_from(self.0).expect("an amount is below 2^53")
    }
}

impl TryFrom<u64> for Amount {
    type Error = AmountTooLarge;
    fn try_from(minor_units: u64) -> Result<Self, AmountTooLarge> {
        Self::new(minor_units)
    }
}

impl From<Amount> for u64 {
    fn from(amount: Amount) -> Self {
        amount.0
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": 0, "maximum": AMOUNT_MAX, "description": "in minor units" })
    }
}

/// A currency's code: 3 to 8 of `A-Z0-9`, ISO 4217 (`EUR`) or the operator's own (`COINS`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Currency {
    code: [u8; Self::LENGTH_MAX],
    length: u8,
}

/// The text is no currency code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("a currency is 3 to 8 capital letters or digits, as in EUR")]
pub struct InvalidCurrency;

impl Currency {
    const LENGTH_MIN: usize = 3;
    const LENGTH_MAX: usize = 8;

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.code[..usize::from(self.length)]).expect("a currency code is ASCII")
    }
}

impl FromStr for Currency {
    type Err = InvalidCurrency;
    fn from_str(text: &str) -> Result<Self, InvalidCurrency> {
        let well_formed = (Self::LENGTH_MIN..=Self::LENGTH_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if !well_formed {
            return Err(InvalidCurrency);
        }
        let mut code = [0; Self::LENGTH_MAX];
        code[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self { code, length: u8::try_from(text.len()).map_err(|_| InvalidCurrency)? })
    }
}

text_in_json!(Currency, as_str);

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl JsonSchema for Currency {
    fn schema_name() -> Cow<'static, str> {
        "Currency".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[A-Z0-9]{3,8}$", "description": "ISO 4217 or the operator's own" })
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A side of a transfer. Every aggregate keeps its own position in each account, so that an account's
/// balance over the whole house is the sum over aggregates and no step writes anything shared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// What the player can stake or be paid out.
    Player,
    /// Stakes of rounds that are still open.
    Escrow,
    /// What a game has won from, or lost to, the player.
    House(GameId),
    /// Where deposits come from and withdrawals go to.
    Operator,
}

impl Account {
    /// Whether the account may go below zero: only the counterparts of the player may.
    #[must_use]
    pub fn may_owe(&self) -> bool {
        matches!(self, Self::House(_) | Self::Operator)
    }
}

impl JsonSchema for Account {
    fn schema_name() -> Cow<'static, str> {
        "Account".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "player, escrow, operator, or house/<game>" })
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Player => f.write_str("player"),
            Self::Escrow => f.write_str("escrow"),
            Self::House(game) => write!(f, "house/{game}"),
            Self::Operator => f.write_str("operator"),
        }
    }
}

/// The text names no account.
#[derive(Debug, Error)]
#[error("no account is called '{0}'")]
pub struct InvalidAccount(String);

impl FromStr for Account {
    type Err = InvalidAccount;
    fn from_str(text: &str) -> Result<Self, InvalidAccount> {
        match text {
            "player" => Ok(Self::Player),
            "escrow" => Ok(Self::Escrow),
            "operator" => Ok(Self::Operator),
            other => match other.strip_prefix("house/").map(str::parse) {
                Some(Ok(game)) => Ok(Self::House(game)),
                _ => Err(InvalidAccount(other.to_owned())),
            },
        }
    }
}

text_in_json!(Account);

/// Money moved from one account to another, as kept in a step's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Transfer {
    /// The account that gives.
    pub from: Account,
    /// The account that receives.
    pub to: Account,
    /// The currency of `amount`.
    pub currency: Currency,
    /// Never zero.
    pub amount: Amount,
    /// The player's balance in this currency once this transfer is made.
    pub balance: Amount,
}

/// An aggregate's position in every account, per currency. The positions of one currency sum to zero, always.
///
/// They are few, and every step takes two copies of them: so they lie one behind the other, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger(Vec<(Account, Currency, i64)>);

/// Why a transfer cannot be made; nothing has moved.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TransferError {
    /// The giving account may not go below zero.
    #[error("{account} holds {held} {currency}, {wanted} wanted")]
    Insufficient {
        /// The account that was to give.
        account: Account,
        /// The currency asked for.
        currency: Currency,
        /// What it holds.
        held: i64,
        /// What was asked for.
        wanted: Amount,
    },
    /// A position would pass [`AMOUNT_MAX`] on either side of zero.
    #[error(transparent)]
    TooLarge(#[from] AmountTooLarge),
}

impl Ledger {
    /// A ledger with these positions in one currency. What they lack of zero is the operator's.
    #[must_use]
    pub fn with_positions(currency: Currency, positions: impl IntoIterator<Item = (Account, i64)>) -> Self {
        let mut ledger = Self::default();
        let mut sum = 0;
        for (account, position) in positions {
            ledger.set(&account, currency, position);
            sum += position;
        }
        ledger.set(&Account::Operator, currency, -sum);
        ledger
    }

    /// The position in one account, in minor units; what was never moved is 0.
    #[must_use]
    pub fn position(&self, account: &Account, currency: Currency) -> i64 {
        self.find(account, currency).map_or(0, |place| self.0[place].2)
    }

    /// The player's balance.
    #[must_use]
    pub fn balance(&self, currency: Currency) -> Amount {
        let held = self.position(&Account::Player, currency);
        Amount(u64::try_from(held).expect("no transfer takes the player below zero"))
    }

    /// Every position, ordered by account and currency.
    pub fn positions(&self) -> impl Iterator<Item = (&Account, Currency, i64)> {
        self.0.iter().map(|(account, currency, position)| (account, *currency, *position))
    }

    /// The player's balances, one per currency ever held.
    pub fn balances(&self) -> impl Iterator<Item = (Currency, Amount)> {
        let of_player = self.0.iter().filter(|(account, _, _)| *account == Account::Player);
        of_player.map(|(_, currency, _)| (*currency, self.balance(*currency)))
    }

    /// Moves `amount` and answers with the transfer as it goes into the record.
    ///
    /// # Errors
    /// [`TransferError`]; then nothing has moved.
    pub fn transfer(
        &mut self,
        from: Account,
        to: Account,
        currency: Currency,
        amount: Amount,
    ) -> Result<Transfer, TransferError> {
        debug_assert_ne!(from, to);
        let held = self.position(&from, currency);
        let given = held - amount.signed();
        if given < 0 && !from.may_owe() {
            return Err(TransferError::Insufficient { account: from, currency, held, wanted: amount });
        }
        let received = self.position(&to, currency) + amount.signed();
        if given.unsigned_abs() > AMOUNT_MAX || received.unsigned_abs() > AMOUNT_MAX {
            return Err(AmountTooLarge.into());
        }
        self.set(&from, currency, given);
        self.set(&to, currency, received);
        Ok(Transfer { from, to, currency, amount, balance: self.balance(currency) })
    }

    fn set(&mut self, account: &Account, currency: Currency, position: i64) {
        match self.find(account, currency) {
            Ok(place) => self.0[place].2 = position,
            Err(place) => self.0.insert(place, (account.clone(), currency, position)),
        }
    }

    /// Where a position is, or would be.
    fn find(&self, account: &Account, currency: Currency) -> Result<usize, usize> {
        self.0.binary_search_by(|(held, of, _)| (held, of).cmp(&(account, &currency)))
    }
}

/// By account, and in each by currency.
impl Serialize for Ledger {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Held<'a>(&'a [(Account, Currency, i64)]);

        impl Serialize for Held<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map(self.0.iter().map(|(_, currency, position)| (currency, position)))
            }
        }

        let accounts = self.0.chunk_by(|(one, _, _), (other, _, _)| one == other);
        serializer.collect_map(accounts.map(|held| (&held[0].0, Held(held))))
    }
}

impl<'de> Deserialize<'de> for Ledger {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let accounts = BTreeMap::<Account, BTreeMap<Currency, i64>>::deserialize(deserializer)?;
        let positions = accounts.into_iter().flat_map(|(account, held)| {
            held.into_iter().map(move |(currency, position)| (account.clone(), currency, position))
        });
        Ok(Self(positions.collect()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn eur() -> Currency {
        "EUR".parse().unwrap()
    }

    #[test]
    fn currencies_are_three_to_eight_capitals_or_digits() {
        for good in ["EUR", "USDT", "COINS", "X1234567"] {
            assert_eq!(good.parse::<Currency>().unwrap().as_str(), good);
        }
        for bad in ["", "EU", "eur", "EURO-1", "TOOLONGCODE", "ÄÖÜ"] {
            assert_eq!(bad.parse::<Currency>(), Err(InvalidCurrency), "{bad}");
        }
    }

    #[test]
    fn accounts_keep_their_names() {
        for name in ["player", "escrow", "operator", "house/fruit-slots"] {
            assert_eq!(name.parse::<Account>().unwrap().to_string(), name);
        }
        for bad in ["", "house/", "house/Bad", "bank"] {
            assert!(bad.parse::<Account>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_ledger_is_written_by_account_and_currency_and_reads_back() {
        let mut ledger = Ledger::default();
        let house = Account::House("slots".parse().unwrap());
        for (from, to, currency) in [
            (Account::Operator, Account::Player, "USD"),
            (Account::Operator, Account::Player, "EUR"),
            (house, Account::Player, "EUR"),
        ] {
            ledger.transfer(from, to, currency.parse().unwrap(), Amount(5)).unwrap();
        }
        let text = r#"{"player":{"EUR":10,"USD":5},"house/slots":{"EUR":-5},"operator":{"EUR":-5,"USD":-5}}"#;
        assert_eq!(serde_json::to_string(&ledger).unwrap(), text);
        assert_eq!(serde_json::from_str::<Ledger>(text).unwrap(), ledger);
        assert_eq!(serde_json::to_string(&Ledger::default()).unwrap(), "{}");
    }

    #[test]
    fn a_transfer_that_cannot_be_made_moves_nothing() {
        let mut ledger = Ledger::default();
        ledger.transfer(Account::Operator, Account::Player, eur(), Amount(100)).unwrap();
        let before = ledger.clone();
        let refused = ledger.transfer(Account::Player, Account::Escrow, eur(), Amount(101)).unwrap_err();
        assert!(matches!(refused, TransferError::Insufficient { held: 100, .. }));
        let refused = ledger.transfer(Account::Operator, Account::Player, eur(), Amount(AMOUNT_MAX)).unwrap_err();
        assert_eq!(refused, TransferError::TooLarge(AmountTooLarge));
        assert_eq!(ledger, before);
    }

    proptest! {
        #[test]
        fn any_transfers_sum_to_zero_and_stay_in_bounds(
            moves in prop::collection::vec((0usize..4, 0usize..4, prop_oneof![0..1000u64, 0..=AMOUNT_MAX]), 0..200)
        ) {
            let accounts = [Account::Player, Account::Escrow, Account::Operator, Account::House("slots".parse().unwrap())];
            let mut ledger = Ledger::default();
            for (from, to, amount) in moves {
                if from != to {
                    // A refused transfer is a legal outcome; what holds afterwards is what is under test.
                    let _outcome = ledger.transfer(accounts[from].clone(), accounts[to].clone(), eur(), Amount(amount));
                }
                prop_assert_eq!(ledger.positions().map(|(_, _, position)| position).sum::<i64>(), 0);
                for (account, _, position) in ledger.positions() {
                    prop_assert!(position.unsigned_abs() <= AMOUNT_MAX);
                    prop_assert!(position >= 0 || account.may_owe());
                }
            }
        }
    }
}
