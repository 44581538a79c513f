//! A record's headers, for those who count them. Copying needs none of this: it hands them on as they are.
//!
//! To a broker a header's name is bytes, and clients exist that write others than UTF-8. rdkafka knows names as text
//! alone and panics (`BorrowedHeaders::try_get`, 0.39), and what librdkafka has is out of reach without unsafe code. So that
//! panic is caught, and kept from the log: it says nothing but that the name is not UTF-8.

use std::{
    cell::Cell,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use rdkafka::{
    Message,
    message::{BorrowedMessage, Headers},
};

/// A name and a value.
pub(super) type Header<'m> = (&'m str, Option<&'m [u8]>);

/// All of them, in order; `None` if one has a name that is not UTF-8.
pub(super) fn read<'m>(message: &'m BorrowedMessage<'_>) -> Option<Vec<Header<'m>>> {
    match message.headers() {
        None => Some(Vec::new()),
        Some(all) => or_panicked(|| all.iter().map(|one| (one.key, one.value)).collect()),
    }
}

thread_local! {
    /// Whether a panic of this thread is awaited, and no news.
    static AWAITED: Cell<bool> = const { Cell::new(false) };
}

/// What it returns; `None` if it panics, of which nothing is said.
fn or_panicked<T>(call: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let said = panic::take_hook();
        panic::set_hook(Box::new(move |news| {
            if !AWAITED.get() {
                said(news);
            }
        }));
    });
    AWAITED.set(true);
    // Nothing is written by it that could be left half done.
    let returned = panic::catch_unwind(AssertUnwindSafe(call));
    AWAITED.set(false);
    returned.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_caught_and_the_next_call_is_none_the_worse() {
        assert_eq!(or_panicked(|| 1), Some(1));
        assert_eq!(or_panicked(|| assert!(AWAITED.get() && false_of(1), "as rdkafka does")), None);
        assert_eq!(or_panicked(|| 2), Some(2));
        assert!(!AWAITED.get(), "the next panic is news again");
    }

    fn false_of(number: u32) -> bool {
        number == 0
    }
}
