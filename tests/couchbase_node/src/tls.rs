//! TLS in front of the node's ports, with a certificate of the node's own.

use std::{io, sync::Arc};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};

use crate::{cluster::HOST, state::State};

/// Whom clients are to believe that the node is itself, and how it proves that.
pub(crate) struct Identity {
    /// The certificate, in PEM.
    pub(crate) certificate: String,
    acceptor: TlsAcceptor,
}

impl Identity {
    /// A new one, which signs itself.
    pub(crate) fn new() -> io::Result<Self> {
        let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).map_err(io::Error::other)?;
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(io::Error::other)?;
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key))
            .map_err(io::Error::other)?;
        Ok(Self { certificate: made.cert.pem(), acceptor: Arc::new(config).into() })
    }

    /// Takes connections and hands on what comes in the clear to another port of the node.
    pub(crate) async fn serve(self: Arc<Self>, state: Arc<State>, listener: TcpListener, port: u16) {
        // A client that is gone, or does not believe the certificate, is no reason to stop.
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                let identity = Arc::clone(&self);
                state.spawn(async move { identity.pass_on(stream, port).await.unwrap_or_default() });
            }
        }
    }

    async fn pass_on(&self, stream: TcpStream, port: u16) -> io::Result<()> {
        let mut outside = self.acceptor.accept(stream).await?;
        let mut inside = TcpStream::connect((HOST, port)).await?;
        inside.set_nodelay(true)?;
        copy_bidirectional(&mut outside, &mut inside).await.map(drop)
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}
