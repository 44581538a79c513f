//! Whether the subject's group has rebalanced: partitions then move from one member to another, and
//! an at-least-once subject may repeat what it had not committed.
//!
//! Kafka tells nobody a group's generation but its members. So it is seen from outside: on a mock
//! by the requests that it received, on real brokers by the group's state and members. The first
//! generation after a start is none: nothing was copied before it. But on real brokers the first that
//! is seen need not have been the first, if it has several members: they come one after the other, and
//! who looks now and then misses the generation of the first alone.
//!
//! What lies between two looks at real brokers is one rebalance at most, though it were several: what
//! a broker says of a classic group has its members, and no number that would count.

use crate::cluster::{
    Cluster, ClusterError, REQUEST_TIMEOUT,
    client::{self, Isolation, request_failed},
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

/// Kafka's numbers of the requests by which a member joins a group.
const JOIN_GROUP: i16 = 11;
const SYNC_GROUP: i16 = 14;

/// Pause before the group is looked at again.
const AGAIN: Duration = Duration::from_millis(100);

/// Watches a group.
pub struct Rebalances {
    watch: Watch,
    /// Since when members that are alive share the partitions, if they do.
    stable_since: Option<Instant>,
    /// Whether the subject is meant to run: that its members leave at its end is no rebalance.
    running: bool,
    /// How many rebalances were seen.
    count: u32,
    /// Several members have just been seen to share the partitions, for the first time since the start.
    formed: Option<bool>,
}

enum Watch {
    Mock {
        cluster: Arc<Cluster>,
        /// How many of its requests were looked at.
        looked_at: usize,
    },
    Brokers {
        reader: BaseConsumer,
        address: String,
        group: String,
        /// Members of an earlier start: they are dead, though the group may not know it.
        dead: BTreeSet<String>,
        /// Each member's assignment when the group was stable last.
        members: Members,
    },
}

/// Assignments by member, as Kafka encodes them.
type Members = BTreeMap<String, Vec<u8>>;

impl std::fmt::Debug for Rebalances {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Rebalances")
            .field("stable_since", &self.stable_since)
            .finish_non_exhaustive()
    }
}

impl Rebalances {
    /// Begins to watch a group of the source.
    pub fn of(source: &Arc<Cluster>, group: &str) -> Result<Rebalances, ClusterError> {
        let watch = match &**source {
            Cluster::Embedded(mock) => {
                mock.keep_requests();
                Watch::Mock { cluster: source.clone(), looked_at: 0 }
            }
            Cluster::Containers { bootstrap, .. } => Watch::Brokers {
                reader: client::reader(bootstrap, "mirrorproof-reader", Isolation::ReadCommitted)?,
                address: bootstrap.clone(),
                group: group.to_owned(),
                dead: BTreeSet::new(),
                members: Members::new(),
            },
        };
        Ok(Rebalances { watch, stable_since: None, running: false, count: 0, formed: None })
    }

    /// The subject starts: its next generation is its first.
    pub fn subject_starts(&mut self) -> Result<(), ClusterError> {
        (self.stable_since, self.running, self.formed) = (None, true, None);
        match &mut self.watch {
            Watch::Mock { cluster, looked_at } => *looked_at = requests(cluster).len(),
            Watch::Brokers { reader, address, group, dead, .. } => {
                let started = Instant::now();
                let members = loop {
                    match describe(reader, address, group) {
                        // A broker that has just come back is not connected yet.
                        Err(_) if started.elapsed() < REQUEST_TIMEOUT => {
                            std::thread::sleep(AGAIN);
                        }
                        described => break described?.1,
                    }
                };
                dead.extend(members.into_keys());
            }
        }
        Ok(())
    }

    /// The subject is about to be stopped or killed. How often the group has rebalanced since the last look,
    /// where that need not be asked of a broker.
    pub fn subject_ends(&mut self) -> u32 {
        let seen = match self.watch {
            Watch::Mock { .. } => self.seen().unwrap_or_default(),
            Watch::Brokers { .. } => 0,
        };
        self.running = false;
        seen
    }

    /// How many rebalances were seen so far.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Whether members that are alive share the partitions.
    pub fn is_stable(&self) -> bool {
        self.stable_since.is_some()
    }

    /// Since when they have shared them as they do now.
    pub fn stable_since(&self) -> Option<Instant> {
        self.stable_since
    }

    /// How often the group has rebalanced since the last call.
    pub fn seen(&mut self) -> Result<u32, ClusterError> {
        let seen = if self.running { self.look()? } else { 0 };
        self.count += seen;
        Ok(seen)
    }

    /// Whether a generation may have gone by before one was seen. True once after a start at most.
    pub fn may_have_missed_one(&mut self) -> bool {
        let formed = self.formed == Some(true);
        self.formed = self.formed.map(|_| false);
        formed
    }

    fn look(&mut self) -> Result<u32, ClusterError> {
        match &mut self.watch {
            Watch::Mock { cluster, looked_at } => {
                let requests = requests(cluster);
                // Fewer than there were: they are kept anew.
                let new = requests.get(*looked_at..).unwrap_or(&requests);
                *looked_at = requests.len();
                Ok(rebalances(new, &mut self.stable_since))
            }
            Watch::Brokers { reader, address, group, dead, members } => {
                let (stable, found) = describe(reader, address, group)?;
                let alive = found.keys().filter(|member| !dead.contains(*member)).count();
                let seen = self.stable_since.is_some() && (!stable || found != *members);
                let since = self.stable_since.filter(|_| !seen).unwrap_or_else(Instant::now);
                self.stable_since = (stable && alive > 0).then_some(since);
                if self.stable_since.is_some() {
                    self.formed.get_or_insert(alive > 1);
                }
                *members = found;
                Ok(u32::from(seen))
            }
        }
    }
}

fn requests(cluster: &Cluster) -> Vec<i16> {
    match cluster {
        Cluster::Embedded(mock) => mock.requests(),
        Cluster::Containers { .. } => Vec::new(),
    }
}

/// How many rebalances these requests tell of, in the order in which they came. Several members' joins before a sync
/// are one, and a join that follows a sync begins another: also one between two members' syncs, after which the
/// first of the two generations never was. An event too many only excuses more.
fn rebalances(requests: &[i16], stable_since: &mut Option<Instant>) -> u32 {
    let mut count = 0;
    for request in requests {
        match *request {
            JOIN_GROUP => count += u32::from(stable_since.take().is_some()),
            SYNC_GROUP => *stable_since = Some(Instant::now()),
            _ => {}
        }
    }
    count
}

/// Whether the group is stable, and its members.
fn describe(
    reader: &BaseConsumer,
    address: &str,
    group: &str,
) -> Result<(bool, Members), ClusterError> {
    let list = reader
        .fetch_group_list(Some(group), REQUEST_TIMEOUT)
        .map_err(request_failed("look at the subject's group", address))?;
    let Some(found) = list.groups().iter().find(|found| found.name() == group) else {
        return Ok((false, Members::new()));
    };
    let members = found
        .members()
        .iter()
        .map(|member| (member.id().to_owned(), member.assignment().unwrap_or_default().to_vec()));
    Ok((found.state() == "Stable", members.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many rebalances joins (`J`) and syncs (`S`) are, among other requests (`.`), which all came
    /// between two looks.
    #[track_caller]
    fn check(is_stable: bool, requests: &str, expected: u32) {
        let key = |request| match request {
            'J' => JOIN_GROUP,
            'S' => SYNC_GROUP,
            _ => 1,
        };
        let requests: Vec<i16> = requests.chars().map(key).collect();
        let mut stable_since = is_stable.then(Instant::now);
        assert_eq!(rebalances(&requests, &mut stable_since), expected, "{requests:?}");
    }

    #[test]
    fn each_rebalance_between_two_looks_counts() {
        check(true, "", 0);
        check(true, "J.S", 1);
        check(true, "JSJS.JS", 3);
        check(true, "JJS", 1);
        check(true, "JJSS.J", 2);
    }

    #[test]
    fn the_first_generation_is_no_rebalance() {
        check(false, "JS", 0);
        check(false, "JJSSJJSS", 1);
    }
}
