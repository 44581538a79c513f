//! Making a failing plan smaller, by proptest's own trees.
//!
//! Races do not repeat at will: a smaller plan is tried several times, side by side, before it
//! counts as one that holds. The time is bounded, and what is left then is small enough.

use proptest::strategy::ValueTree;
use std::time::{Duration, Instant};

/// A plan that fails, and how much was tried to make it small.
#[derive(Clone, Debug)]
pub(super) struct Shrunk<P, F> {
    /// The smallest that failed, and how; `None`: nothing smaller did.
    pub(super) smallest: Option<(P, F)>,
    /// How many smaller plans were tried.
    pub(super) tried: u32,
}

/// Looks for the smallest value of `tree` for which `fails` gives something, within `time`.
pub(super) async fn shrink<T: ValueTree, F>(
    mut tree: T,
    time: Duration,
    mut fails: impl AsyncFnMut(&T::Value) -> Option<F>,
) -> Shrunk<T::Value, F>
where
    T::Value: Clone + PartialEq,
{
    let started = Instant::now();
    let mut held: Vec<T::Value> = Vec::new();
    let mut shrunk = Shrunk { smallest: None, tried: 0 };
    let mut last = tree.current();
    let mut last_failed = true;
    let mut goes_on = tree.simplify();
    while goes_on && started.elapsed() < time {
        let candidate = tree.current();
        // Parts of a draft that its plan does not use change nothing.
        let failed = if candidate == last {
            last_failed
        } else if held.contains(&candidate) {
            false
        } else {
            shrunk.tried += 1;
            match fails(&candidate).await {
                Some(failure) => {
                    shrunk.smallest = Some((candidate.clone(), failure));
                    true
                }
                None => {
                    held.push(candidate.clone());
                    false
                }
            }
        };
        (last, last_failed) = (candidate, failed);
        goes_on = if failed { tree.simplify() } else { tree.complicate() };
    }
    shrunk
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{
        collection::vec,
        strategy::{Strategy, ValueTree},
        test_runner::TestRunner,
    };

    /// Shrinks the first random list that fails, which it does while it holds a 7 or greater.
    async fn check(time: Duration) -> (Vec<u32>, Shrunk<Vec<u32>, ()>) {
        let strategy = vec(0..100_u32, 5..20);
        let mut runner = TestRunner::deterministic();
        let fails = |list: &Vec<u32>| list.iter().any(|number| *number >= 7).then_some(());
        let tree = strategy.new_tree(&mut runner).expect("a list");
        let first = tree.current();
        assert!(fails(&first).is_some());
        (first, shrink(tree, time, async |list: &Vec<u32>| fails(list)).await)
    }

    #[tokio::test]
    async fn what_does_not_matter_is_taken_away() {
        let (_, shrunk) = check(Duration::from_secs(60)).await;
        let (smallest, ()) = shrunk.smallest.expect("something smaller fails");
        assert_eq!((smallest.len(), smallest.iter().max()), (5, Some(&7)), "{smallest:?}");
        assert!(shrunk.tried > 5);
    }

    #[tokio::test]
    async fn the_time_is_bounded() {
        let (_, shrunk) = check(Duration::ZERO).await;
        assert_eq!((shrunk.smallest.is_none(), shrunk.tried), (true, 0));
    }
}
