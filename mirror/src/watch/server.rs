//! Metrics and readiness over HTTP, on a thread of its own.
//!
//! `/metrics` is Prometheus' text. `/ready` is 200 while every stream has been given its partitions by the
//! group, were it none, and nobody has asked for a stop; else 503.

use std::{convert::Infallible, io, net::TcpListener, sync::Arc, thread, time::Duration};

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::CONTENT_TYPE,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::registry::Registry;

use super::metrics;
use crate::{meters::Meters, shutdown::Stop};

/// How long a client may take to send its request.
const REQUEST: Duration = Duration::from_secs(10);
/// Pause after a connection that could not be accepted: there may be too many files open.
const AGAIN: Duration = Duration::from_millis(100);

/// An address that cannot be listened at.
#[derive(Debug, thiserror::Error)]
#[error(
    "listen at {address} for --metrics: {source}; give an address of this machine and a free port, as in \
     --metrics 127.0.0.1:9404"
)]
pub(crate) struct CannotListen {
    address: String,
    source: io::Error,
}

/// Listens, and does not answer yet.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
}

#[derive(Debug)]
struct State {
    meters: Meters,
    registry: Registry,
    stop: Stop,
}

impl Server {
    /// Takes the address, `host:port`.
    pub(crate) fn bind(address: &str) -> Result<Self, CannotListen> {
        let listen = || {
            let listener = TcpListener::bind(address)?;
            // As the asynchronous runtime wants it.
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        let listener =
            listen().map_err(|source| CannotListen { address: address.to_owned(), source })?;
        Ok(Self { listener })
    }

    /// Answers from now on, until the program ends.
    pub(crate) fn start(self, meters: Meters, stop: Stop) -> io::Result<()> {
        let address = self.listener.local_addr()?;
        tracing::info!("metrics at http://{address}/metrics, readiness at http://{address}/ready");
        let registry = metrics::registry(meters.clone());
        let state = Arc::new(State { meters, registry, stop });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(self.listener)?
        };
        thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || runtime.block_on(serve(listener, state)))?;
        Ok(())
    }
}

async fn serve(listener: tokio::net::TcpListener, state: Arc<State>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!("metrics: a connection is not accepted: {error}");
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        };
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let answer = service_fn(|request| {
                let response = answer(&request, &state);
                async { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(REQUEST)
                .serve_connection(TokioIo::new(stream), answer);
            if let Err(error) = connection.await {
                tracing::debug!("metrics: a connection ended: {error}");
            }
        });
    }
}

fn answer(request: &Request<Incoming>, state: &State) -> Response<Full<Bytes>> {
    const PLAIN: &str = "text/plain; charset=utf-8";
    let (status, content_type, text) = match request.uri().path() {
        "/metrics" => match metrics::text(&state.registry) {
            Ok(text) => (StatusCode::OK, metrics::CONTENT_TYPE, text),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, PLAIN, format!("{error}\n")),
        },
        "/ready" => {
            let (status, text) = readiness(state);
            (status, PLAIN, text.to_owned())
        }
        _ => (StatusCode::NOT_FOUND, PLAIN, "there are /metrics and /ready\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let content_type = hyper::header::HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn readiness(state: &State) -> (StatusCode, &'static str) {
    if state.stop.requested() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else if state.meters.snapshot().joined {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "a stream has no assignment from the group yet\n")
    }
}
