//! The shapes of values, whichever clause has them, and what is said of one that has another: serde's own words
//! are about Rust's types.

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeOwned, Error, IntoDeserializer, SeqAccess, Unexpected, Visitor,
        value::SeqAccessDeserializer,
    },
};
use std::{fmt, marker::PhantomData};

/// One of a closed set of words.
pub(crate) fn word<'de, T: DeserializeOwned, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    from.deserialize_any(WordVisitor(PhantomData))
}

struct WordVisitor<T>(PhantomData<T>);

impl<T: DeserializeOwned> Visitor<'_> for WordVisitor<T> {
    type Value = T;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The set itself says which words it has, when it is asked for one that it has not.
        let refused = read_word::<T>("").err().map(|refused| refused.to_string());
        let words = refused.as_deref().and_then(|text| text.split_once("expected "));
        let words = words.map_or("one that is known", |(_, words)| words).replace('`', "\"");
        write!(out, "a word in quotation marks: {words}")
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<T, E> {
        read_word(word).map_err(|_| E::invalid_value(Unexpected::Str(word), &self))
    }
}

fn read_word<T: DeserializeOwned>(word: &str) -> Result<T, serde::de::value::Error> {
    T::deserialize(word.into_deserializer())
}

/// A list, of which there is an example.
pub(super) fn list<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
    example: &'static str,
) -> Result<Vec<T>, D::Error> {
    from.deserialize_any(ListVisitor { example, of: PhantomData })
}

struct ListVisitor<T> {
    example: &'static str,
    of: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "a list in brackets, such as {}", self.example)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Vec<T>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(items))
    }
}

/// A whole number, whatever it counts.
pub(super) struct Whole(pub(super) i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Whole, D::Error> {
        from.deserialize_i64(WholeVisitor)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a whole number")
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Whole, E> {
        Ok(Whole(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Whole, E> {
        let fits = i64::try_from(value);
        fits.map(Whole).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
    }
}
