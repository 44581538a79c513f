//! The embedded cluster: librdkafka's mock brokers in this process, on loopback ports.
//!
//! A wrapper of our own over the C functions, because `rdkafka::mocking::MockCluster` cannot be
//! sent between threads and lacks the group's initial rebalance delay (3 s a scenario). It does not
//! know what the mock cannot judge: see [`super::Capabilities`].

#![expect(unsafe_code, reason = "librdkafka's mock cluster has a C interface only")]

use super::ClusterError;
use rdkafka::{
    config::{ClientConfig, FromClientConfig},
    producer::{BaseProducer, Producer},
};
use rdkafka_sys as sys;
use std::{
    ffi::{CStr, CString},
    sync::OnceLock,
};

/// A mock cluster; it ends when it is dropped. Clients must be dropped first: a consumer that
/// outlives its cluster blocks for its session timeout.
pub struct Mock {
    cluster: *mut sys::rd_kafka_mock_cluster_t,
    bootstrap: String,
}

/// The client instance that all clusters of this process live in, for as long as it does: they have their log from it,
/// and nothing else in common.
fn owner() -> Result<&'static BaseProducer, ClusterError> {
    static OWNER: OnceLock<BaseProducer> = OnceLock::new();
    if let Some(owner) = OWNER.get() {
        return Ok(owner);
    }
    let made = BaseProducer::from_config(&ClientConfig::new())
        .map_err(|error| ClusterError::Start { reason: error.to_string() })?;
    Ok(OWNER.get_or_init(|| made))
}

// SAFETY: every control call of the mock goes through its own lock or operation queue
// (`mcluster->lock`, `mcluster->ops` in rdkafka_mock.c), so calls from any thread are sound; the
// pointer is freed in `Drop` alone.
unsafe impl Send for Mock {}
// SAFETY: as above; shared references only reach functions that lock.
unsafe impl Sync for Mock {}

impl Mock {
    /// Starts a cluster with `brokers` brokers.
    pub fn start(brokers: u8) -> Result<Mock, ClusterError> {
        let owner = owner()?.client().native_ptr();
        // SAFETY: the owner's handle is valid for as long as the process lives.
        let cluster = unsafe { sys::rd_kafka_mock_cluster_new(owner, brokers.into()) };
        if cluster.is_null() {
            return Err(ClusterError::Start { reason: "no free loopback port".into() });
        }
        // SAFETY: `cluster` is valid; the string belongs to it and is copied at once. Without the
        // delay of 0 a group's first member waits three seconds for others.
        let bootstrap = unsafe {
            sys::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
            CStr::from_ptr(sys::rd_kafka_mock_cluster_bootstraps(cluster))
        }
        .to_string_lossy()
        .into_owned();
        Ok(Mock { cluster, bootstrap })
    }

    /// Addresses of all brokers, `host:port`, comma between.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Creates a topic.
    pub fn create_topic(&self, name: &str, partitions: u32) -> Result<(), ClusterError> {
        let failed = |reason: String| ClusterError::CreateTopic { topic: name.into(), reason };
        let c_name = CString::new(name).map_err(|error| failed(error.to_string()))?;
        // SAFETY: `cluster` is valid, the name is a C string that outlives the call.
        let code = unsafe {
            sys::rd_kafka_mock_topic_create(self.cluster, c_name.as_ptr(), partitions as i32, 1)
        };
        if code as i32 != 0 {
            return Err(failed(format!("the mock refuses it ({code:?})")));
        }
        Ok(())
    }
}

impl Mock {
    /// Begins to keep what clients ask for, to be read by [`Mock::requests`]; what was kept is forgotten.
    pub fn keep_requests(&self) {
        // SAFETY: `cluster` is valid.
        unsafe { sys::rd_kafka_mock_start_request_tracking(self.cluster) };
    }

    /// Kafka's numbers (`ApiKey`) of all requests that are kept, in order. They stay: the call that takes them
    /// away is another, and what came between the two would be lost. They are some hundred a second.
    pub fn requests(&self) -> Vec<i16> {
        let mut count = 0;
        // SAFETY: `cluster` is valid. The array and its `count` requests are copies that belong to
        // the caller; they are only read here, and freed by the function made for it.
        unsafe {
            let requests = sys::rd_kafka_mock_get_requests(self.cluster, &mut count);
            let keys = (0..count)
                .map(|index| sys::rd_kafka_mock_request_api_key(*requests.add(index)))
                .collect();
            sys::rd_kafka_mock_request_destroy_array(requests, count);
            keys
        }
    }
}

impl std::fmt::Debug for Mock {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Mock").field("bootstrap", &self.bootstrap).finish_non_exhaustive()
    }
}

impl Drop for Mock {
    fn drop(&mut self) {
        // SAFETY: `cluster` is valid and is not used after this.
        unsafe { sys::rd_kafka_mock_cluster_destroy(self.cluster) };
    }
}
