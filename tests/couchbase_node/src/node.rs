//! A node: started, looked at, disturbed and stopped by a test.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::net::{TcpListener, TcpSocket};

use crate::{
    cluster::{Cluster, Document, HOST, Ports},
    connection,
    counts::Counts,
    faults::Faults,
    management,
    settings::Settings,
    state::State,
    tls::Identity,
};

/// Clients that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// A node of a cluster of one, on loopback. Dropped, it stops, and its documents are gone.
#[derive(Debug)]
pub struct Node {
    state: Arc<State>,
    ports: Ports,
    identity: Arc<Identity>,
    /// Bound and not listening, so that nobody else gets the node's ports while it is stopped.
    _places: [TcpSocket; 4],
}

impl Node {
    /// Starts a node, which then takes connections. Fails if a port is taken.
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let kv = bind(settings.kv_port)?;
        let management = bind(settings.management_port)?;
        let (kv_tls, management_tls) = (bind(0)?, bind(0)?);
        let port = |place: &TcpSocket| place.local_addr().map(|address| address.port());
        let ports = Ports {
            kv: port(&kv)?,
            management: port(&management)?,
            kv_tls: port(&kv_tls)?,
            management_tls: port(&management_tls)?,
        };
        let state = Arc::new(State::new(Cluster::new(settings, ports)));
        let identity = Arc::new(Identity::new()?);
        let node = Self { state, ports, identity, _places: [kv, management, kv_tls, management_tls] };
        node.listen()?;
        Ok(node)
    }

    /// By which SDKs find the node.
    pub fn connection_string(&self) -> String {
        format!("couchbase://{HOST}:{}", self.ports.kv)
    }

    /// By which SDKs find the node if they are to speak TLS with it.
    pub fn tls_connection_string(&self) -> String {
        format!("couchbases://{HOST}:{}", self.ports.kv_tls)
    }

    /// The certificate (PEM) by which the node proves itself; it has signed it itself.
    pub fn certificate(&self) -> &str {
        &self.identity.certificate
    }

    /// The port of the key-value protocol.
    pub fn kv_port(&self) -> u16 {
        self.ports.kv
    }

    /// The port of management and configuration over HTTP.
    pub fn management_port(&self) -> u16 {
        self.ports.management
    }

    /// What goes wrong.
    pub fn faults(&self) -> &Faults {
        &self.state.faults
    }

    /// The operations so far.
    pub fn counts(&self) -> Counts {
        self.state.counts()
    }

    /// The documents of a bucket that have not expired, in order of collection and key.
    pub fn documents(&self, bucket: &str) -> Vec<Document> {
        self.state.cluster().documents(bucket)
    }

    /// The document with this key, in the bucket's first collection that has it.
    pub fn document(&self, bucket: &str, key: &str) -> Option<Document> {
        self.documents(bucket).into_iter().find(|document| document.key == key)
    }

    /// Moves the clock by which documents expire and locks end.
    pub fn advance_clock(&self, by: Duration) {
        self.state.cluster().clock.advance(by);
    }

    /// So many of the replicas that buckets are configured to have are there. With too few for most copies, durable
    /// writes are answered `DURABILITY_IMPOSSIBLE`.
    pub fn set_replicas_up(&self, replicas: u32) {
        self.state.cluster().replicas_up = replicas;
    }

    /// Takes connections and requests, and does nothing about them: a node that is too slow. The requests run when it
    /// is resumed, even if their clients are gone by then.
    pub fn pause(&self) {
        self.state.pause(true);
    }

    /// Goes on after a pause, with what was asked meanwhile.
    pub fn resume(&self) {
        self.state.pause(false);
    }

    /// Closes all connections and takes no more, as if the process had been killed; documents are kept.
    pub async fn stop(&self) {
        self.state.stop().await;
    }

    /// Stops, if it has not, and takes connections again on the same ports.
    pub async fn restart(&self) -> io::Result<()> {
        self.stop().await;
        self.listen()
    }

    fn listen(&self) -> io::Result<()> {
        let kv = bind(self.ports.kv)?.listen(BACKLOG)?;
        let management = bind(self.ports.management)?.listen(BACKLOG)?;
        self.state.spawn(accept(Arc::clone(&self.state), kv));
        self.state.spawn(management::serve(Arc::clone(&self.state), management));
        for (outside, inside) in
            [(self.ports.kv_tls, self.ports.kv), (self.ports.management_tls, self.ports.management)]
        {
            let listener = bind(outside)?.listen(BACKLOG)?;
            self.state.spawn(Arc::clone(&self.identity).serve(Arc::clone(&self.state), listener, inside));
        }
        Ok(())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.state.abort();
    }
}

fn bind(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    Ok(socket)
}

async fn accept(state: Arc<State>, listener: TcpListener) {
    // A client that is gone before it is accepted is no reason to stop.
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            state.spawn(connection::serve(Arc::clone(&state), stream));
        }
    }
}
