//! Management.
use crate::state::State;
use std::sync::Arc;
use tokio::net::TcpListener;
pub(crate) async fn serve(_state: Arc<State>, listener: TcpListener) {
    loop {
        let _ = listener.accept().await;
    }
}
