//! The last commit of a stream that its group has gone on without.
//!
//! It was frozen or cut off for longer than its session, or a rebalance began as it ended. Others may read its partitions by then. If
//! nobody does, or nobody has committed as much, the next start would copy again all that this one has delivered since its last
//! commit. So it joins the group once more, and commits as a member: a group takes a position from any of its members.

use std::time::{Duration, Instant};

use rdkafka::{
    consumer::{CommitMode, Consumer},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
};

use super::{EngineError, assignment::QUESTION, client, stream::Stream};
use crate::{progress::Place, shutdown::Stop, witness::Note};

/// How long it may take to be a member again. A group that was empty waits for 3 s for others, and for a former member for as long as
/// a session, which is 6 s unless the user wants another.
const PATIENCE: Duration = Duration::from_secs(12);
/// How long an answer of the group is waited for before it is looked at what else there is.
const LOOK: Duration = Duration::from_millis(50);
/// How often it is tried to commit.
const AGAIN: Duration = Duration::from_millis(500);

/// Whether a group that is there says that others have what we would commit.
fn is_of_others(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{FencedMemberEpoch, RebalanceInProgress, StaleMemberEpoch};
    let code = error.rdkafka_error_code();
    client::is_expulsion(error)
        || matches!(code, Some(RebalanceInProgress | FencedMemberEpoch | StaleMemberEpoch))
}

impl Stream<'_> {
    /// Commits what the group has not taken. False if it takes nothing from us any more, since others read on: they may copy some
    /// records again. With `--once` that is a failure, and always if the group was not to be reached.
    pub(super) fn commit_as_a_member_again(&self, stop: &Stop) -> Result<bool, EngineError> {
        self.notes.leave_commits_over();
        self.let_go()?;
        let (since, mut tried) = (Instant::now(), Instant::now());
        let error = loop {
            // A record that comes is of nobody's partition.
            drop(self.consumer.poll(LOOK));
            self.follow_rebalances(stop)?;
            if tried.elapsed() < AGAIN {
                continue;
            }
            tried = Instant::now();
            let left_over = self.notes.left_over();
            match self.commit_what_is_missing(&left_over) {
                Ok(()) => {
                    self.notes.custody.keep_committed(&left_over);
                    self.is_done_with(&left_over);
                    tracing::info!("the last commit is there all the same");
                    return Ok(true);
                }
                Err(error) if since.elapsed() > PATIENCE => break error,
                Err(_) => {}
            }
        };
        let reason = client::reason(&error);
        if self.settings.once || !is_of_others(&error) {
            return Err(EngineError::Uncommitted { reason });
        }
        tracing::warn!("others read our partitions, and may copy some records again: {reason}");
        Ok(false)
    }

    /// What is not sent is for others. Its reports are of nobody's partition, and no failure; nor is the gap that an idempotent
    /// producer has where something was dropped, and at which it gives up.
    fn let_go(&self) -> Result<(), EngineError> {
        let mut progress = self.notes.progress();
        for place in progress.next_positions() {
            progress.revoke(&place.topic, place.partition);
        }
        drop(progress);
        self.begin_with_another_producer()
    }

    /// With `--once`: what was given back with the membership is read to its end all the same.
    fn is_done_with(&self, places: &[(Place, Note)]) {
        let Some(goal) = self.notes.goal.get() else { return };
        for (place, _) in places.iter().filter(|(place, _)| goal.is_end(place)) {
            goal.pass(&place.topic, place.partition);
        }
    }

    /// Others may have committed more.
    fn commit_what_is_missing(&self, places: &[(Place, Note)]) -> KafkaResult<()> {
        let asked: Vec<Place> = places.iter().map(|(place, _)| place.clone()).collect();
        let committed = self.consumer.committed_offsets(client::list(&asked)?, QUESTION)?;
        committed.elements().iter().try_for_each(|element| element.error())?;
        let committed = client::told(&committed);
        let is_there = |place: &Place| {
            let is_it = |it: &&Place| it.topic == place.topic && it.partition == place.partition;
            committed.iter().find(is_it).is_some_and(|it| it.offset >= place.offset)
        };
        let missing = places.iter().filter(|(place, _)| !is_there(place));
        let missing: Vec<_> = missing.cloned().collect();
        if missing.is_empty() {
            return Ok(());
        }
        let list = client::noted_list(&missing)?;
        self.consumer.commit(&list, CommitMode::Sync)?;
        self.notes.meters.commits.add(1);
        Ok(())
    }
}
