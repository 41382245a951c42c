//! The disk of the store is full between the server's answer and the save.
//!
//! The disk is a small one in memory, mounted where only one shell and its children see it.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::time::{Duration, Instant};

use store_testkit::process::{Process, ProcessBuilder};
use store_testkit::server::{AuthorizationServer, Fault, Gate};

use crate::command::{Home, LIMIT, binary};
use crate::logins::{adopting, server, tokens};

const HELP: &str = "a small disk can't be mounted: this needs `unshare` and `mount` (util-linux), and user namespaces: \
                    `sysctl user.max_user_namespaces` above 0, and where there is one, `sysctl \
                    kernel.apparmor_restrict_unprivileged_userns=0`; in a container, one that may unshare";

/// Says what it does before each line of commands, and how it ended.
const SHELL: &str = "mkdir \"$1\" && mount -t tmpfs -o size=256k,mode=700 tokenkeep \"$1\" || exit 1\necho mounted\n\
                     while read -r line; do eval \"$line\"; echo \"ended $?\"; done < \"$0\"";

/// A shell that sees a small disk.
struct Island {
    home: Home,
    shell: Process,
    commands: File,
    ended: usize,
}

impl Island {
    /// `state_on_disk`: the state folder is on the small disk too.
    fn new(state_on_disk: bool) -> Self {
        let home = Home::new();
        let (pipe, disk) = (home.pipe("commands"), home.folder().join("disk"));
        let state = if state_on_disk {
            disk.clone()
        } else {
            home.folder().join("state")
        };
        let shell = ProcessBuilder::new("unshare")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", home.folder())
            .env("XDG_STATE_HOME", state)
            .env("TOKENKEEP_STORE", format!("json:{}/data/tokens.json", disk.display()))
            .env("DISK", &disk)
            .env("TOKENKEEP", binary())
            .args(["--user", "--map-root-user", "--mount", "/bin/sh", "-c", SHELL])
            .arg(&pipe)
            .arg(&disk);
        let shell = shell.spawn().unwrap_or_else(|error| panic!("{HELP}\n{error}"));
        assert!(
            shell.wait_for_stdout("mounted", LIMIT),
            "{HELP}\n{}",
            shell.stderr_so_far()
        );
        let commands = OpenOptions::new().write(true).open(pipe).unwrap();
        Self {
            home,
            shell,
            commands,
            ended: 0,
        }
    }

    /// A login whose access token is over, and whose refresh token is good.
    fn adopt(&mut self, server: &AuthorizationServer) {
        let login = server.log_in("app", "api");
        std::fs::write(self.home.folder().join("tokens"), tokens(&login, 0)).unwrap();
        let arguments = adopting(server).join(" ");
        let (code, said) = self.run(&format!("\"$TOKENKEEP\" {arguments} < $HOME/tokens > $HOME/out 2>&1"));
        assert_eq!(code, 0, "{said}");
    }

    /// The exit code of a line of commands, and what is in the file `out` then.
    fn run(&mut self, line: &str) -> (i32, String) {
        writeln!(self.commands, "{line}").unwrap();
        let began = Instant::now();
        loop {
            let said = self.shell.stdout_so_far();
            let mut ends = said.lines().filter_map(|line| line.strip_prefix("ended "));
            if let Some(code) = ends.nth(self.ended) {
                self.ended += 1;
                let out = std::fs::read_to_string(self.home.folder().join("out")).unwrap_or_default();
                return (code.parse().unwrap(), out.trim_end().to_owned());
            }
            assert!(began.elapsed() < LIMIT, "{line}: {said} {}", self.shell.stderr_so_far());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A command to its end.
    fn token(&mut self, arguments: &str) -> (i32, String) {
        self.run(&format!("\"$TOKENKEEP\" token {arguments} > $HOME/out 2>&1"))
    }

    fn fill_disk(&mut self) {
        let (code, _) = self.run("cat /dev/zero > $DISK/fill 2> $HOME/full");
        assert_ne!(code, 0);
        let said = std::fs::read_to_string(self.home.folder().join("full")).unwrap();
        assert!(said.contains("No space left"), "{said}");
    }

    fn free_disk(&mut self) {
        assert_eq!(self.run("rm $DISK/fill").0, 0);
    }

    /// Begins a refresh, and fills the disk while its answer is under way.
    fn begin_refresh(&mut self, server: &AuthorizationServer) {
        let gate = Gate::new();
        server.inject(Fault::none().hold_after(&gate));
        self.run("\"$TOKENKEEP\" token > $HOME/out 2> $HOME/err & first=$!");
        assert!(gate.wait_for_arrivals_blocking(1, LIMIT));
        self.fill_disk();
        gate.release();
    }
}

/// So many refreshes, and none of them a reuse.
fn assert_refreshes(server: &AuthorizationServer, count: u64) {
    let counters = server.counters();
    assert_eq!(
        (
            counters.requests_of("refresh_token"),
            counters.double_spends,
            counters.logins_lost
        ),
        (count, 0, 0)
    );
}

#[test]
fn the_login_survives_beside_the_store() {
    let server = server();
    let mut island = Island::new(false);
    island.adopt(&server);
    island.begin_refresh(&server);
    let (code, token) = island.run("wait $first");
    assert_eq!(code, 0, "{token}");
    assert!(server.is_live(&token));

    // A new process, the disk still full: what is beside the store is used, nothing is spent.
    assert_eq!(island.token(""), (0, token.clone()));
    let (code, said) = island.token("--force");
    assert_eq!(code, 6, "{said}");
    assert_refreshes(&server, 1);

    island.free_disk();
    let (code, next) = island.token("--force");
    assert_eq!(code, 0, "{next}");
    assert!(next != token && server.is_live(&next));
    assert_refreshes(&server, 2);
    assert_eq!(
        island.run("ls -A $HOME/state/tokenkeep/spill > $HOME/out"),
        (0, String::new())
    );
}

#[test]
fn the_login_survives_in_memory_until_there_is_space() {
    let server = server();
    let mut island = Island::new(true);
    island.adopt(&server);
    island.begin_refresh(&server);
    // The state folder is full too, so the process goes on trying.
    let (running, _) = island.run("sleep 1; kill -0 $first");
    assert_eq!(running, 0);
    island.free_disk();
    let (code, token) = island.run("wait $first");
    assert_eq!(code, 0, "{token}");
    assert!(server.is_live(&token));
    assert_eq!(island.token(""), (0, token.clone()));
    let (code, next) = island.token("--force");
    assert_eq!(code, 0, "{next}");
    assert!(server.is_live(&next));
    assert_refreshes(&server, 2);
}
