//! Which records a plan writes.

use serde::{Deserialize, Serialize};

/// How keys are chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Skew {
    /// Every key as often.
    Uniform,
    /// Few keys take most records: Zipf's law with this exponent.
    Zipf(f64),
}

impl Eq for Skew {}

/// The alphabet of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyStyle {
    /// `key-17`.
    Plain,
    /// Upper case, non-ASCII text, spaces, bytes that are not UTF-8, very long and very short ones.
    Varied,
}

/// Where the generator puts records on the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placement {
    /// By Java's murmur2; records without a key in turn.
    Murmur2,
    /// Each record in the next partition, so that one key lies in many.
    RoundRobin,
}

/// How sizes of values are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sizes {
    /// About a hundred bytes.
    Small,
    /// From 0 to a few kilobytes.
    Varied,
    /// Small ones, and among them a few of up to 900 kB.
    WithLarge,
}

/// What is put into headers, besides the record's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Headers {
    /// No header at all, not even the id: the record is known by its value.
    None,
    /// The id alone.
    Id,
    /// The id, and several of one name, null and empty values, non-ASCII names, bytes.
    Varied,
}

/// How timestamps are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimestampStyle {
    /// The client's own.
    Now,
    /// From 2001 to now, in order and not.
    Varied,
}

/// Which records a produce step writes. Percentages are of all records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// How many.
    pub records: u32,
    /// How many producers share them.
    pub producers: u16,
    /// How many distinct keys (null not counted).
    pub keys: u32,
    /// How keys are chosen.
    pub skew: Skew,
    /// What keys look like.
    pub key_style: KeyStyle,
    /// Percentage of null keys.
    pub null_keys: u8,
    /// Whether the empty key is among the keys.
    pub empty_key: bool,
    /// Percentage of null values (tombstones).
    pub null_values: u8,
    /// Percentage of empty values.
    pub empty_values: u8,
    /// Sizes of the other values.
    pub sizes: Sizes,
    /// Headers.
    pub headers: Headers,
    /// Timestamps.
    pub timestamps: TimestampStyle,
    /// Where records are put.
    pub placement: Placement,
    /// Each producer commits a transaction after so many records; `None`: no transactions.
    #[serde(default)]
    pub transaction_records: Option<u32>,
    /// Percentage of the transactions that are aborted.
    #[serde(default)]
    pub aborted_transactions: u8,
}

impl Default for Workload {
    /// Two thousand plain records over a hundred keys.
    fn default() -> Workload {
        Workload {
            records: 2_000,
            producers: 1,
            keys: 100,
            skew: Skew::Uniform,
            key_style: KeyStyle::Plain,
            null_keys: 0,
            empty_key: false,
            null_values: 0,
            empty_values: 0,
            sizes: Sizes::Small,
            headers: Headers::Id,
            timestamps: TimestampStyle::Now,
            placement: Placement::Murmur2,
            transaction_records: None,
            aborted_transactions: 0,
        }
    }
}
