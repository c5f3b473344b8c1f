//! A real beanstalkd in a process of its own.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    sync::{LazyLock, Mutex},
    thread,
    time::Instant,
};

use tempfile::TempDir;

use crate::harness::PATIENCE;

/// It keeps its port, and its directory, over restarts.
pub(crate) struct Server {
    directory: TempDir,
    keeps: bool,
    /// Shell commands that run before it does, in its own process, and its options.
    prelude: String,
    options: String,
    port: u16,
    child: Mutex<Option<Child>>,
}

/// Installed where it is missing and may be installed.
static INSTALLED: LazyLock<()> = LazyLock::new(|| {
    let is_there = || Command::new("beanstalkd").arg("-v").output().is_ok_and(|output| output.status.success());
    if is_there() {
        return;
    }
    let install = "apt-get update && apt-get install --yes --no-install-recommends beanstalkd";
    let output = Command::new("sh").args(["-c", install]).env("DEBIAN_FRONTEND", "noninteractive").output().unwrap();
    assert!(
        is_there(),
        "the tests of queues need beanstalkd 1.12 or later; it is not there and could not be installed. As root: {install}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
});

impl Server {
    /// One that keeps its jobs in a directory.
    pub(crate) fn start() -> Self {
        Self::start_with(true, "", "")
    }

    /// One that forgets its jobs when it ends.
    pub(crate) fn start_forgetful() -> Self {
        Self::start_with(false, "", "")
    }

    pub(crate) fn start_with(keeps: bool, prelude: &str, options: &str) -> Self {
        LazyLock::force(&INSTALLED);
        let (prelude, options) = (prelude.to_owned(), options.to_owned());
        let directory = tempfile::tempdir().unwrap();
        let mut server = Self { directory, keeps, prelude, options, port: 0, child: Mutex::new(None) };
        // Somebody else may take the port before the server does; then it ends at once.
        for _ in 0..20 {
            server.port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if server.spawn() {
                return server;
            }
        }
        panic!("beanstalkd does not start");
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// kill -9
    pub(crate) fn kill(&self) {
        let mut child = self.child.lock().unwrap().take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// On the same port and directory.
    pub(crate) fn restart(&self) {
        assert!(self.spawn(), "beanstalkd does not start again");
    }

    /// Sends a signal, such as `USR1`.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.child.lock().unwrap().as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &id]).status().unwrap().success());
    }

    /// Says something to the server as it is, and reads so many lines of what it says.
    pub(crate) fn say(&self, commands: &str, lines: usize) -> Vec<String> {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(commands.as_bytes()).unwrap();
        BufReader::new(stream).lines().take(lines).map(Result::unwrap).collect()
    }

    /// Whether it listens.
    fn spawn(&self) -> bool {
        let keeps = if self.keeps { format!("-b {}", self.directory.path().display()) } else { String::new() };
        let command =
            format!("{} exec beanstalkd -l 127.0.0.1 -p {} {keeps} {}", self.prelude, self.port, self.options);
        let mut child = Command::new("sh").args(["-c", &command]).stderr(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE && child.try_wait().unwrap().is_none() {
            if self.is_answered_by(child.id()) {
                *self.child.lock().unwrap() = Some(child);
                return true;
            }
            thread::yield_now();
        }
        let _ended = child.kill();
        child.wait().unwrap();
        false
    }

    fn is_answered_by(&self, process: u32) -> bool {
        let Ok(mut stream) = TcpStream::connect(self.address()) else { return false };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        if stream.write_all(b"stats\r\nquit\r\n").is_err() {
            return false;
        }
        let mut said = String::new();
        stream.read_to_string(&mut said).is_ok() && said.contains(&format!("\npid: {process}\n"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
