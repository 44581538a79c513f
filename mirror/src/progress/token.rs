//! Names of assignments, and of records in flight. Each fits the machine word that travels with a record.

/// One assignment of one partition: a place in a table below, and above it how often that was used before. A
/// partition that comes back after a rebalance is another slot, so that late acknowledgements of the earlier
/// assignment count for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot(u32);

/// More partitions than one stream can ever have.
const INDEX_BITS: u32 = 20;
const INDICES: u32 = 1 << INDEX_BITS;

impl Slot {
    /// The first assignment in a place of the table.
    pub(super) fn first(index: usize) -> Self {
        assert!(index + 1 < INDICES as usize, "a stream has fewer than a million partitions");
        Self(index as u32)
    }

    /// Its place in the table.
    pub(super) fn index(self) -> usize {
        (self.0 % INDICES) as usize
    }

    /// The next assignment in the same place. It comes round after 4096, when no report of the first is on its way.
    pub(super) fn next(self) -> Self {
        Self(self.0.wrapping_add(INDICES))
    }
}

/// Names a record in flight. It travels through the producer as one machine word: the slot above, the
/// record's sequence number in its slot below (wrapping: far fewer than 2^32 records are in flight).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token(usize);

const _: () = assert!(usize::BITS == 64, "a token packs two 32-bit numbers into a pointer's width");

impl Token {
    /// Of what is no record of the source.
    pub const NONE: Self = Self(usize::MAX);

    pub(super) fn new(slot: Slot, sequence: u32) -> Self {
        Self((slot.0 as usize) << 32 | sequence as usize)
    }

    pub(super) fn parts(self) -> (Slot, u32) {
        (self.slot(), self.0 as u32)
    }

    /// The assignment that the record was received in.
    pub fn slot(self) -> Slot {
        Slot((self.0 >> 32) as u32)
    }

    /// The word that travels with the record.
    pub fn to_word(self) -> usize {
        self.0
    }

    /// The token that [`Token::to_word`] gave.
    pub fn from_word(word: usize) -> Self {
        Self(word)
    }
}
