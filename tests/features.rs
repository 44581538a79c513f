//! The promises on embedded clusters, each scenario a test of its own. A test that fails here means
//! that our mirror broke a promise, or that it could not be told.
#![expect(clippy::print_stdout, reason = "it prints as cargo's own tests do")]

mod support {
    pub(crate) mod shim;
}

use harness::cluster::Backend;
use support::shim::Call;

fn main() -> std::process::ExitCode {
    let call = Call::new();
    let trials = call.scenarios(Backend::Embedded);
    call.finish(trials)
}
