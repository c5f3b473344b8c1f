//! One connection to a server. Commands go out together and their replies are read meanwhile, because the server reads
//! nothing more where nobody reads its replies.

use std::{io, str, sync::Arc};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    time::timeout,
};

use super::{
    Settings,
    protocol::{Commands, Reply, statistic},
};
use crate::notifications::Channel;

/// A reply without its body.
const REPLY_LINE_BYTES_MAX: u64 = 512;
/// Our jobs have some hundred bytes and statistics two thousand. What is longer is none of ours, and not kept.
const BODY_BYTES_MAX: u64 = 64 << 10;

pub(super) struct Connection {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    pub(super) settings: Arc<Settings>,
    /// Which of those that one link has made.
    pub(super) number: u64,
    /// What the server process is known by.
    pub(super) incarnation: String,
    /// Whose tube is used; at first the server's own default.
    used: Option<Channel>,
    /// Whose tube is watched; at first the server's own default.
    watched: Option<Channel>,
}

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The connection is of no use any more.
    Broken(String),
    /// The server did not do it, and said so.
    Refused { command: &'static str, reply: Reply },
}

type Broken = String;

impl Connection {
    pub(super) async fn open(settings: &Arc<Settings>, number: u64) -> Result<Self, Broken> {
        let connecting = timeout(settings.connect_timeout, TcpStream::connect(&settings.address));
        let stream = connecting.await.map_err(|_| format!("no connection in {:?}", settings.connect_timeout))?;
        let stream = stream.map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let (reader, writer) = stream.into_split();
        let mut connection = Self {
            reader: BufReader::new(reader),
            writer,
            settings: settings.clone(),
            number,
            incarnation: String::new(),
            used: None,
            watched: None,
        };
        let incarnation = connection.ask_incarnation().await.map_err(|trouble| match trouble {
            Trouble::Broken(why) => why,
            Trouble::Refused { command, reply } => format!("it answers {reply:?} to {command}"),
        })?;
        connection.incarnation = incarnation;
        Ok(connection)
    }

    /// What the server process is known by that answers.
    pub(super) async fn ask_incarnation(&mut self) -> Result<String, Trouble> {
        let mut commands = Commands::default();
        commands.stats();
        match self.exchange(&commands).await?.pop() {
            Some(Reply::Text(text)) => {
                let text = String::from_utf8_lossy(&text);
                let id = statistic(&text, "id").map(str::to_owned);
                id.ok_or_else(|| {
                    Trouble::Broken("its statistics have no id: it is older than beanstalkd 1.12".to_owned())
                })
            }
            reply => Err(Trouble::Refused { command: "stats", reply: reply.unwrap_or(Reply::NotFound) }),
        }
    }

    /// Whether the server has not gone since the last reply, as far as can be seen without asking it.
    pub(super) fn is_alive(&self) -> bool {
        let read = self.reader.get_ref().try_read(&mut [0]);
        self.reader.buffer().is_empty() && read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Uses the tube of a channel, for commands that are about one tube.
    pub(super) async fn select(&mut self, channel: Channel) -> Result<(), Trouble> {
        if self.used != Some(channel) {
            let mut commands = Commands::default();
            commands.select(&self.settings.tube(channel));
            // Not together with what follows: where this is refused, that would be done to another tube.
            self.do_all("use", &commands).await?;
            self.used = Some(channel);
        }
        Ok(())
    }

    /// Watches the tube of a channel, and no other.
    pub(super) async fn watch(&mut self, channel: Channel) -> Result<(), Trouble> {
        if self.watched != Some(channel) {
            let mut commands = Commands::default();
            commands.watch(&self.settings.tube(channel));
            self.do_all("watch", &commands).await?;
            let mut commands = Commands::default();
            let before = self.watched.map_or_else(|| "default".to_owned(), |before| self.settings.tube(before));
            commands.ignore(&before);
            self.do_all("ignore", &commands).await?;
            self.watched = Some(channel);
        }
        Ok(())
    }

    /// Has all of it done. A job that is not there is passed over: its lease is over, or it was done with before.
    pub(super) async fn do_all(&mut self, command: &'static str, commands: &Commands) -> Result<(), Trouble> {
        let is_done = |reply: &Reply| match reply {
            Reply::Done | Reply::NotFound => true,
            // To `release` it says that the server has no memory for more jobs that are ready.
            Reply::Buried { .. } => command == "bury",
            _ => false,
        };
        match self.exchange(commands).await?.into_iter().find(|reply| !is_done(reply)) {
            Some(reply) => Err(Trouble::Refused { command, reply }),
            None => Ok(()),
        }
    }

    /// A reply for every command. Where this fails, or is dropped, the connection is of no use any more: replies may
    /// still be under way.
    pub(super) async fn exchange(&mut self, commands: &Commands) -> Result<Vec<Reply>, Trouble> {
        let Self { reader, writer, settings, .. } = self;
        let write = async { writer.write_all(&commands.bytes).await.map_err(|error| error.to_string()) };
        let read = async {
            let mut replies = Vec::with_capacity(commands.count);
            while replies.len() < commands.count {
                let reply = timeout(settings.reply_timeout, read_reply(reader)).await;
                replies.push(reply.map_err(|_| format!("no reply in {:?}", settings.reply_timeout))??);
            }
            Ok(replies)
        };
        let ((), replies) = tokio::try_join!(write, read).map_err(Trouble::Broken)?;
        Ok(replies)
    }
}

async fn read_reply(reader: &mut BufReader<OwnedReadHalf>) -> Result<Reply, Broken> {
    let failed = |error: io::Error| error.to_string();
    let mut line = Vec::new();
    let read = (&mut *reader).take(REPLY_LINE_BYTES_MAX).read_until(b'\n', &mut line).await.map_err(failed)?;
    if read == 0 {
        return Err("it has closed the connection".to_owned());
    }
    let unknown = || format!("it answers '{}', which is not of beanstalkd", String::from_utf8_lossy(&line).trim_end());
    let text = line.strip_suffix(b"\r\n").and_then(|line| str::from_utf8(line).ok()).ok_or_else(unknown)?;
    let (reply, body_bytes) = Reply::read(text).ok_or_else(unknown)?;
    let Some(body_bytes) = body_bytes else { return Ok(reply) };
    let body = read_body(reader, body_bytes).await.map_err(failed)?;
    Ok(reply.with_body(body))
}

/// One that is too long reads as an empty one.
async fn read_body(reader: &mut BufReader<OwnedReadHalf>, bytes: u64) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    let mut rest = (&mut *reader).take(bytes);
    if bytes <= BODY_BYTES_MAX {
        rest.read_to_end(&mut body).await?;
    } else {
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    }
    if rest.limit() > 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut end = [0; 2];
    reader.read_exact(&mut end).await?;
    if end == *b"\r\n" { Ok(body) } else { Err(io::Error::other("a body is longer than it said")) }
}
