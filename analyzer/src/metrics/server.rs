//! The server: who connects, and for how long.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

use super::address::ListenAddress;
use super::answer::answer;
use super::encode::View;
use super::places::Places;
use super::process::Usage;
use super::{MetricsError, Snapshot};

/// Bytes of a request's line and headers at most. That of Prometheus has some 300.
const MAX_HEADER: usize = 8 << 10;
/// Headers of a request at most.
const MAX_HEADERS: usize = 64;
/// How long a client may take for its request.
const REQUEST_TIME: Duration = Duration::from_secs(5);
/// How long it may take for all, reading the answer included.
const CONNECTION_TIME: Duration = Duration::from_secs(30);
/// Time until it is tried again to accept connections where that failed, as for want of descriptors.
const RETRY: Duration = Duration::from_millis(100);

/// Sockets that listen already. To open them may take rights that are dropped before anybody is served.
#[derive(Debug)]
pub struct Listeners {
    listeners: Vec<(SocketAddr, TcpListener)>,
}

/// A server that runs until this is dropped.
#[derive(Debug)]
pub struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the daemon published, and when it came.
#[derive(Clone, Debug)]
struct Published {
    snapshot: Arc<Snapshot>,
    at: Instant,
}

/// Listens at all addresses.
///
/// # Errors
/// [`MetricsError::Listen`], which names the address and the way out.
pub fn bind(addresses: &[ListenAddress]) -> Result<Listeners, MetricsError> {
    let listen = |&ListenAddress(address): &ListenAddress| {
        let open = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            // The kernel chose the port where 0 was asked for.
            Ok((listener.local_addr()?, listener))
        };
        open().map_err(|source| MetricsError::Listen { address, source })
    };
    Ok(Listeners { listeners: addresses.iter().map(listen).collect::<Result<_, _>>()? })
}

impl Listeners {
    /// Where they listen.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.listeners.iter().map(|(address, _)| *address)
    }

    /// Serves what is published from now on, on a thread of its own, which has the rights that the caller's has.
    ///
    /// # Errors
    /// [`MetricsError::Thread`] where the system gives no thread or what it waits with.
    pub fn serve(self, snapshots: watch::Receiver<Arc<Snapshot>>) -> Result<Server, MetricsError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(MetricsError::Thread)?;
        let listen = || {
            let _context = runtime.enter();
            let listeners = self.listeners.into_iter();
            listeners.map(|(_, listener)| tokio::net::TcpListener::from_std(listener)).collect::<io::Result<Vec<_>>>()
        };
        let listeners = listen().map_err(MetricsError::Thread)?;
        let (stop, stopped) = oneshot::channel();
        let serve = move || runtime.block_on(run(listeners, snapshots, stopped));
        let thread = thread::Builder::new().name("metrics".to_owned()).spawn(serve).map_err(MetricsError::Thread)?;
        Ok(Server { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // One that panicked said so already.
            let _ = thread.join();
        }
    }
}

/// Serves until told to stop.
async fn run(
    listeners: Vec<tokio::net::TcpListener>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    mut stopped: oneshot::Receiver<()>,
) {
    let published = follow(snapshots);
    let (accepted, mut streams) = mpsc::channel(1);
    for listener in listeners {
        tokio::spawn(accept(listener, accepted.clone()));
    }
    let mut places = Places::default();
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            Some(stream) = streams.recv() => {
                let connection = tokio::spawn(attend(stream, published.clone(), places.displaced()));
                places.take(connection.abort_handle());
            }
        }
    }
}

/// Notes when each snapshot comes: one that hangs publishes none, whatever its clock says.
fn follow(mut snapshots: watch::Receiver<Arc<Snapshot>>) -> watch::Receiver<Published> {
    let latest = |snapshots: &mut watch::Receiver<Arc<Snapshot>>| Published {
        snapshot: Arc::clone(&snapshots.borrow_and_update()),
        at: Instant::now(),
    };
    let (sender, published) = watch::channel(latest(&mut snapshots));
    tokio::spawn(async move {
        while snapshots.changed().await.is_ok() {
            sender.send_replace(latest(&mut snapshots));
        }
        // The daemon is ending. What it told last stays, and ages.
        sender.closed().await;
    });
    published
}

async fn accept(listener: tokio::net::TcpListener, accepted: mpsc::Sender<TcpStream>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if accepted.send(stream).await.is_err() {
                    return;
                }
            }
            Err(_) => sleep(RETRY).await,
        }
    }
}

/// Answers one request.
async fn attend(stream: TcpStream, published: watch::Receiver<Published>, displaced: Arc<AtomicU64>) {
    let service = service_fn(move |request| {
        let view = || {
            let Published { snapshot, at } = published.borrow().clone();
            View { snapshot, age: at.elapsed(), displaced: displaced.load(Ordering::Relaxed), usage: Usage::read() }
        };
        let response = answer(&request, view);
        async { Ok::<_, Infallible>(response) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIME)
        .max_header_size(MAX_HEADER)
        .max_headers(MAX_HEADERS)
        .max_buf_size(2 * MAX_HEADER)
        // A connection that stays open takes a place, and to open one costs nothing here.
        .keep_alive(false);
    // Whatever goes wrong here is the client's to notice.
    let _ = timeout(CONNECTION_TIME, http.serve_connection(TokioIo::new(stream), service)).await;
}
