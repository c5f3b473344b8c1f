//! One client's connection: reads requests, lets faults strike, and writes answers.
//!
//! An operation that has begun runs to its end, whatever becomes of the client that asked for it.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
};

use crate::{
    execute::{document_id, execute, not_my_vbucket},
    faults::{Effect, FaultId},
    protocol::{Feature, Operation, Request, Response, Status},
    session::Session,
    state::State,
};

/// Answers that are written at once.
const ANSWERS_AT_ONCE: usize = 64;

/// Answers, in the order in which they are sent.
type Answers = mpsc::UnboundedSender<Bytes>;

/// Serves a client until it leaves, says something that is no packet, or a fault hangs up.
pub(crate) async fn serve(state: Arc<State>, stream: TcpStream) {
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    let (answers, queue) = mpsc::unbounded_channel();
    tokio::select! {
        () = read(state, reader, answers) => {}
        () = write(writer, queue) => {}
    }
}

async fn write(mut writer: OwnedWriteHalf, mut queue: mpsc::UnboundedReceiver<Bytes>) {
    let mut answers = Vec::with_capacity(ANSWERS_AT_ONCE);
    while queue.recv_many(&mut answers, ANSWERS_AT_ONCE).await > 0 {
        if writer.write_all(&answers.concat()).await.is_err() {
            return;
        }
        answers.clear();
    }
}

async fn read(state: Arc<State>, mut reader: OwnedReadHalf, answers: Answers) {
    let mut buffer = BytesMut::new();
    let mut session = Session::default();
    loop {
        match Request::take_from(&mut buffer) {
            Ok(Some(request)) => {
                state.until_resumed().await;
                if handle(&state, &mut session, request, &answers).await == Next::HangUp {
                    return;
                }
            }
            Ok(None) => match reader.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            },
            Err(_) => return,
        }
    }
}

#[derive(PartialEq, Eq)]
enum Next {
    Read,
    HangUp,
}

async fn handle(state: &Arc<State>, session: &mut Session, request: Request, answers: &Answers) -> Next {
    let Some(operation) = Operation::from_opcode(request.opcode) else {
        send(answers, &request, &Status::UnknownCommand.into());
        return Next::Read;
    };
    state.count(operation);
    let key = document_id(&session.features, &request.key).map(|(_, key)| key).unwrap_or_default();
    let Some((fault, effect)) = state.faults.strike(operation, &key) else {
        send(answers, &request, &run(state, session, operation, &request));
        return Next::Read;
    };
    match effect {
        Effect::Drop { applied } => {
            if applied {
                run(state, session, operation, &request);
            }
            Next::HangUp
        }
        Effect::Answer { status, applied } => {
            let ran = applied.then(|| run(state, session, operation, &request));
            let answer =
                ran.filter(|ran| ran.status != Status::Success).unwrap_or_else(|| refusal(state, session, status));
            send(answers, &request, &answer);
            Next::Read
        }
        Effect::Delay { applied, .. } | Effect::Hold { applied } => {
            let late = Late { fault, effect, applied, operation, request, answers: answers.clone() };
            // Operations that make the session are late in their turn.
            if operation.is_for_document() && session.features.has(Feature::UnorderedExecution) {
                let (state, mut session) = (Arc::clone(state), session.clone());
                Arc::clone(&state).spawn(async move { late.run(&state, &mut session).await });
            } else {
                late.run(state, session).await;
            }
            Next::Read
        }
    }
}

/// An operation that a fault makes late.
struct Late {
    fault: FaultId,
    effect: Effect,
    applied: bool,
    operation: Operation,
    request: Request,
    answers: Answers,
}

impl Late {
    async fn run(self, state: &State, session: &mut Session) {
        let ran = self.applied.then(|| run(state, session, self.operation, &self.request));
        match self.effect {
            Effect::Delay { milliseconds, .. } => tokio::time::sleep(Duration::from_millis(milliseconds)).await,
            _ => state.faults.until_removed(self.fault).await,
        }
        let answer = ran.unwrap_or_else(|| run(state, session, self.operation, &self.request));
        send(&self.answers, &self.request, &answer);
    }
}

fn run(state: &State, session: &mut Session, operation: Operation, request: &Request) -> Response {
    let cluster = &mut state.cluster();
    let answer = session.answer(cluster, &state.salted, operation, request);
    answer.unwrap_or_else(|| execute(cluster, session, operation, request))
}

fn refusal(state: &State, session: &Session, status: Status) -> Response {
    if status != Status::NotMyVbucket {
        return status.into();
    }
    let mut cluster = state.cluster();
    cluster.revision += 1;
    not_my_vbucket(&cluster, session)
}

/// A client that is gone gets no answer.
fn send(answers: &Answers, request: &Request, response: &Response) {
    let _ = answers.send(response.packet(request.opcode, request.opaque));
}
