//! Runs hosts as processes of their own and talks to them as clients do.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Condvar, LazyLock, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use data_encoding::BASE64;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const OPERATOR_TOKEN: &str = "the-operators-own-token";
/// Nothing in the suite takes this long; a host that does not come up is reported and not waited for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// The components of the shipped games in Rust, built once for all tests. Those in JavaScript take a second to load, which
/// every host of every test would have to wait for.
pub(crate) static GAMES: LazyLock<PathBuf> = LazyLock::new(|| {
    let games = croupier::packaging::games_in(&root().join("games")).unwrap();
    build("games", games.into_iter().filter(|game| game.join("Cargo.toml").is_file()).collect())
});

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Builds games into a folder of their own below the target folder.
pub(crate) fn build(name: &str, games: Vec<PathBuf>) -> PathBuf {
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    for game in games {
        croupier::packaging::build(&game, &output).unwrap();
    }
    output
}

/// A host in a process of its own, with a data directory that outlives its restarts.
pub(crate) struct Host {
    options: Options,
    directory: TempDir,
    process: Option<Process>,
}

/// What a host does.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Role {
    /// Serves games, with notifications beside them.
    #[default]
    Serve,
    /// Serves notifications alone.
    Railgun,
    /// Delivers what another accepts.
    Worker,
}

/// What a test may choose about a host.
#[derive(Clone, Default)]
pub(crate) struct Options {
    pub(crate) role: Role,
    /// The folder of components; the shipped games if none.
    pub(crate) games: Option<PathBuf>,
    /// TOML that is added to the configuration.
    pub(crate) config: String,
    /// More of the command line.
    pub(crate) arguments: String,
    /// Shell commands that run before the host does, in its own process: limits and traps.
    pub(crate) prelude: String,
}

struct Process {
    child: Child,
    log: Arc<Log>,
    address: String,
}

/// The lines that a host has logged so far.
#[derive(Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    grown: Condvar,
}

impl Log {
    /// Keeps what comes, on a thread of its own.
    fn follow(self: &Arc<Self>, output: impl Read + Send + 'static) {
        let log = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                log.lines.lock().unwrap().0.push(line);
                log.grown.notify_all();
            }
            log.lines.lock().unwrap().1 = true;
            log.grown.notify_all();
        });
    }

    /// The first line for which `find` has an answer, waiting for it to come.
    fn wait_for<T>(&self, find: impl Fn(&str) -> Option<T>) -> Result<T, String> {
        self.wait_until(|lines| lines.iter().find_map(|line| find(line)))
    }

    /// What `find` finds in all lines so far, waiting for more to come.
    fn wait_until<T>(&self, find: impl Fn(&[String]) -> Option<T>) -> Result<T, String> {
        let mut lines = self.lines.lock().unwrap();
        loop {
            if let Some(found) = find(&lines.0) {
                return Ok(found);
            }
            if lines.1 {
                return Err(lines.0.join("\n"));
            }
            let (waited, timeout) = self.grown.wait_timeout(lines, PATIENCE).unwrap();
            lines = waited;
            if timeout.timed_out() {
                return Err(format!("nothing came for {PATIENCE:?} after:\n{}", lines.0.join("\n")));
            }
        }
    }
}

/// A program that runs until it is dropped, and what it says on either output.
pub(crate) struct Running {
    child: Child,
    log: Arc<Log>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Log::default());
        log.follow(child.stdout.take().unwrap());
        log.follow(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// Waits for a line of which this finds something.
    pub(crate) fn wait_for<T>(&self, find: impl Fn(&str) -> Option<T>) -> T {
        self.log.wait_for(find).unwrap_or_else(|log| panic!("it has not said what was waited for:\n{log}"))
    }

    /// Waits until so many lines hold all of these words.
    pub(crate) fn wait_for_lines(&self, count: usize, words: &[&str]) {
        let holds = |line: &&String| words.iter().all(|word| line.contains(word));
        let found = self.log.wait_until(|lines| (lines.iter().filter(holds).count() >= count).then_some(()));
        found.unwrap_or_else(|log| panic!("no {count} lines with {words:?} in:\n{log}"));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // As a terminal does; a build that is under way ends with it.
        let id = self.child.id().to_string();
        let _ended = Command::new("kill").args(["-TERM", &id]).status();
        let _ended = self.child.wait();
    }
}

impl Host {
    /// A host with the shipped games.
    pub(crate) fn start() -> Self {
        Self::start_with(Options::default())
    }

    pub(crate) fn start_with(options: Options) -> Self {
        let mut host = Self { options, directory: tempfile::tempdir().unwrap(), process: None };
        host.restart();
        host
    }

    /// Starts the process, which must not be running.
    pub(crate) fn restart(&mut self) {
        self.process = Some(self.spawn().unwrap_or_else(|log| panic!("the host did not start:\n{log}")));
    }

    fn spawn(&self) -> Result<Process, String> {
        let (command, games) = match self.options.role {
            Role::Serve => ("serve", self.options.games.clone().unwrap_or_else(|| GAMES.clone())),
            Role::Railgun => ("railgun", PathBuf::new()),
            Role::Worker => ("worker --listen 127.0.0.1:0", PathBuf::new()),
        };
        let config = self.directory.path().join("croupier.toml");
        // `[store]` comes last: what a test adds continues it, or begins a section of its own.
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[operator]\ntoken = \"{OPERATOR_TOKEN}\"\n[games]\ndirectory = {games:?}\n\
             [log]\nformat = \"json\"\nfilter = \"info,game=debug\"\n[store]\ndirectory = {:?}\ndisk_reserve_mib = 1\n{}",
            self.data(),
            self.options.config,
        );
        fs::write(&config, text).unwrap();
        let Options { prelude, arguments, .. } = &self.options;
        let command = format!("{prelude} exec \"$0\" {command} --config \"$1\" {arguments}");
        let mut child = Command::new("sh")
            .args(["-c", &command, env!("CARGO_BIN_EXE_croupier")])
            .arg(&config)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Log::default());
        log.follow(child.stderr.take().unwrap());
        let listening = log.wait_for(|line| {
            let line: Value = serde_json::from_str(line).ok()?;
            ["listening", "working"]
                .contains(&line["fields"]["message"].as_str()?)
                .then(|| line["fields"]["address"].as_str().unwrap().to_owned())
        });
        match listening {
            Ok(address) => Ok(Process { child, log, address }),
            Err(log) => {
                child.kill().unwrap();
                child.wait().unwrap();
                Err(log)
            }
        }
    }

    /// Starts a second process on the same directory, which is expected to fail; what it said.
    pub(crate) fn start_second(&self) -> String {
        self.spawn().err().expect("a second host has started")
    }

    /// Commands that run before the host does, from its next start on.
    pub(crate) fn set_prelude(&mut self, prelude: &str) {
        self.options.prelude = prelude.to_owned();
    }

    /// From its next start on, no file of the process may grow much beyond the largest journal that it has now, which must
    /// not be running: what it writes fails some time.
    pub(crate) fn limit_files(&mut self) {
        let journals =
            files(&self.data()).into_iter().filter(|file| file.extension().is_some_and(|name| name == "jnl"));
        let largest = journals.map(|file| allocated(&file)).max().unwrap();
        self.set_prelude(&format!("trap '' XFSZ; ulimit -f {};", (largest + (512 << 10)) / 512));
    }

    /// TOML that is added to the configuration, from its next start on.
    pub(crate) fn set_config(&mut self, config: &str) {
        self.options.config = config.to_owned();
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("the host is running")
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// `127.0.0.1:<port>`
    pub(crate) fn address(&self) -> &str {
        &self.process().address
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process().child.id()
    }

    /// Whether the process is still there.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.process.as_mut().unwrap().child.try_wait().unwrap().is_none()
    }

    /// kill -9
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.child.kill().unwrap();
        process.child.wait().unwrap();
    }

    /// Asks the process to end, and waits until it has; its exit status and its log.
    pub(crate) fn terminate(&mut self) -> (ExitStatus, String) {
        self.ask_to_end();
        self.wait()
    }

    /// Ends the process where it is running, has every step of its store taken again, and answers with what was found.
    pub(crate) fn replayed(&mut self) -> Value {
        if self.process.is_some() {
            assert!(self.terminate().0.success());
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_croupier"));
        let output = command.args(["replay", "--all", "--json", "--data"]).arg(self.data()).output().unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Sends SIGTERM.
    pub(crate) fn ask_to_end(&self) {
        let id = self.process_id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Waits until the process ends by itself; its exit status and its log.
    pub(crate) fn wait(&mut self) -> (ExitStatus, String) {
        let mut process = self.process.take().unwrap();
        let status = process.child.wait().unwrap();
        let log = process.log.wait_for(|_| None::<()>).unwrap_err();
        (status, log)
    }

    /// Waits for a line of the log that holds all of these words, and answers with it.
    pub(crate) fn wait_for_log(&self, words: &[&str]) -> String {
        let found =
            self.process().log.wait_for(|line| words.iter().all(|word| line.contains(word)).then(|| line.to_owned()));
        found.unwrap_or_else(|log| panic!("no line with {words:?} in:\n{log}"))
    }

    /// Posts a body as it is. Status and body of the answer.
    pub(crate) fn post(&self, path: &str, token: &str, body: &[u8]) -> Result<(u16, String), ureq::Error> {
        post(self.address(), path, token, body)
    }

    /// Calls a player's method.
    pub(crate) fn call(&self, token: &str, method: &str, params: Value) -> Result<Value, Value> {
        self.request("/rpc", token, method, params)
    }

    /// Calls an operator's method.
    pub(crate) fn operator(&self, method: &str, params: Value) -> Result<Value, Value> {
        self.request("/operator", OPERATOR_TOKEN, method, params)
    }

    /// Calls a method of notifications, as the service or operator of this token.
    pub(crate) fn notify(&self, token: &str, method: &str, params: Value) -> Result<Value, Value> {
        self.request("/notify", token, method, params)
    }

    /// Has a component published and played.
    pub(crate) fn publish(&self, component: &[u8]) -> Result<Value, Value> {
        self.operator("game.publish", json!({ "component": BASE64.encode(component), "activate": true }))
    }

    fn request(&self, path: &str, token: &str, method: &str, params: Value) -> Result<Value, Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let (_, answer) = self.post(path, token, body.to_string().as_bytes()).unwrap();
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(1)), "{answer}");
        match answer.get("error") {
            Some(_) => Err(answer["error"].take()),
            None => Ok(answer["result"].take()),
        }
    }

    /// A new player with a balance in EUR and an open session: the session's token.
    pub(crate) fn player(&self, player: &str, balance: u64) -> String {
        self.operator("player.create", json!({ "player": player })).unwrap();
        if balance > 0 {
            let key = unique("deposit");
            let deposit = json!({ "player": player, "currency": "EUR", "amount": balance, "idempotency_key": key });
            self.operator("wallet.deposit", deposit).unwrap();
        }
        self.session(player)
    }

    /// A new session of a player: its token.
    pub(crate) fn session(&self, player: &str) -> String {
        let session = self.operator("session.open", json!({ "player": player, "currency": "EUR" })).unwrap();
        session["token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn balance(&self, token: &str) -> u64 {
        self.call(token, "wallet.balance", json!({})).unwrap()["balance"].as_u64().unwrap()
    }

    /// Proves the ledger of the running host: its report.
    pub(crate) fn check_ledger(&self) -> Value {
        self.operator("ledger.check", json!({})).unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // Already ended where a test has failed early; there is nothing to add to that.
            let _ended = process.child.kill();
            let _ended = process.child.wait();
            if thread::panicking() {
                eprintln!("the host's log:\n{}", process.log.lines.lock().unwrap().0.join("\n"));
            }
        }
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// What a file has on the disk: a journal is made larger than it is.
fn allocated(file: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(&fs::metadata(file).unwrap()) * 512
}

static AGENT: LazyLock<ureq::Agent> = LazyLock::new(|| {
    ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build().into()
});

/// Gets a page. Status and body of the answer.
pub(crate) fn get(address: &str, path: &str) -> (u16, String) {
    get_as("", address, path)
}

/// Gets a page, showing a token. Status and body of the answer.
pub(crate) fn get_as(token: &str, address: &str, path: &str) -> (u16, String) {
    let request = AGENT.get(format!("http://{address}{path}")).header("Authorization", format!("Bearer {token}"));
    let mut answer = request.call().unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

/// Posts a body as it is. Status and body of the answer.
pub(crate) fn post(address: &str, path: &str, token: &str, body: &[u8]) -> Result<(u16, String), ureq::Error> {
    let request = AGENT.post(format!("http://{address}{path}")).header("Authorization", format!("Bearer {token}"));
    let mut answer = request.send(body)?;
    Ok((answer.status().as_u16(), answer.body_mut().read_to_string()?))
}

/// A word that no other call has got.
pub(crate) fn unique(word: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{word}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The `data.reason` of an error.
pub(crate) fn reason(error: &Value) -> &str {
    error["data"]["reason"].as_str().unwrap_or_else(|| panic!("no reason in {error}"))
}
