use std::io;
use std::time::{Duration, Instant};

use store_testkit::process::{Output, ProcessBuilder, UNPRIVILEGED_USER, run_many, workspace_binary};

const LIMIT: Duration = Duration::from_secs(120);

/// A shell that can be interrupted, also where this test runs behind a shell that made
/// its jobs ignore that: what is ignored at its start no shell can trap.
fn interruptible(script: &str) -> ProcessBuilder {
    if cfg!(target_os = "linux") {
        ProcessBuilder::new("/usr/bin/env").args(["--default-signal=INT", "/bin/sh", "-c", script])
    } else {
        shell(script)
    }
}

fn shell(script: &str) -> ProcessBuilder {
    ProcessBuilder::new("/bin/sh").args(["-c", script])
}

#[test]
fn output_and_exit_code_are_collected() {
    let output = shell("echo out; echo err >&2; exit 3")
        .spawn()
        .unwrap()
        .wait(LIMIT)
        .unwrap();
    assert_eq!(output.stdout(), "out\n");
    assert_eq!(output.stderr(), "err\n");
    assert_eq!((output.code(), output.signal()), (Some(3), None));
    assert!(!output.success());
}

#[test]
fn much_output_does_not_block_the_process() {
    let output = shell("head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2")
        .inherit_env("PATH")
        .spawn()
        .unwrap()
        .wait(LIMIT)
        .unwrap();
    assert_eq!(output.stdout_bytes().len(), 1_000_000);
    assert_eq!(output.stderr().len(), 1_000_000);
}

#[test]
fn the_environment_holds_what_was_given_and_no_more() {
    let output = ProcessBuilder::new("/usr/bin/env")
        .env("ONE", "1")
        .spawn()
        .unwrap()
        .wait(LIMIT)
        .unwrap();
    assert_eq!(output.stdout(), "ONE=1\n");
}

#[test]
fn standard_input_is_given_or_empty() {
    let cat = || ProcessBuilder::new("/bin/cat");
    let read = |builder: ProcessBuilder| builder.spawn().unwrap().wait(LIMIT).unwrap().stdout();
    assert_eq!(read(cat()), "");
    let long = "x".repeat(300_000);
    assert_eq!(read(cat().stdin(long.clone())), long);
}

#[test]
fn signals_reach_the_process() {
    let ready = "echo ready; while :; do /bin/sleep 0.01; done";
    let start = |script: &str| {
        let process = shell(script).spawn().unwrap();
        assert!(process.wait_for_stdout("ready", LIMIT));
        process
    };
    let mut process = start(ready);
    process.kill().unwrap();
    assert_eq!(process.wait(LIMIT).unwrap().signal(), Some(9));

    let mut process = start(ready);
    process.terminate().unwrap();
    assert_eq!(process.wait(LIMIT).unwrap().signal(), Some(15));

    let mut process = interruptible(&format!("trap 'echo bye; exit 7' INT; {ready}"))
        .spawn()
        .unwrap();
    assert!(process.wait_for_stdout("ready", LIMIT));
    process.interrupt().unwrap();
    let output = process.wait(LIMIT).unwrap();
    assert_eq!((output.code(), output.stdout()), (Some(7), "ready\nbye\n".to_owned()));
}

#[test]
fn a_stopped_process_stands_still_until_it_is_resumed() {
    let mut process = shell("trap 'echo woken; exit 0' TERM; echo ready; while :; do :; done")
        .spawn()
        .unwrap();
    assert!(process.wait_for_stdout("ready", LIMIT));
    process.stop().unwrap();
    process.terminate().unwrap();
    assert!(!process.wait_for_stdout("woken", Duration::from_millis(100)));
    assert!(process.is_running().unwrap());
    process.resume().unwrap();
    assert_eq!(process.wait(LIMIT).unwrap().stdout(), "ready\nwoken\n");
}

#[test]
fn waiting_has_a_limit_and_ends_the_process() {
    let process = shell("exec /bin/sleep 600").spawn().unwrap();
    let id = process.id();
    let error = process.wait(Duration::from_millis(20)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(!exists(id));
}

#[test]
fn dropping_kills_and_reaps() {
    let process = shell("exec /bin/sleep 600").spawn().unwrap();
    let id = process.id();
    assert!(exists(id));
    let started = Instant::now();
    drop(process);
    assert!(started.elapsed() < LIMIT, "it was waited for, not killed");
    assert!(!exists(id));
}

#[test]
fn a_signal_to_an_ended_process_is_no_error() {
    let mut process = shell(":").spawn().unwrap();
    let end = Instant::now() + LIMIT;
    while process.is_running().unwrap() {
        assert!(Instant::now() < end);
        std::thread::yield_now();
    }
    process.kill().unwrap();
    assert!(process.wait(LIMIT).unwrap().success());
}

#[test]
fn many_run_at_once_and_answer_in_order() {
    let folder = tempfile::tempdir().unwrap();
    // Each waits for the file that the last one makes: one after the other they would hang.
    let outputs = run_many(4, LIMIT, |number| {
        shell("[ $N = 3 ] && : > go; while [ ! -e go ]; do /bin/sleep 0.01; done; echo $N")
            .env("N", number.to_string())
            .current_dir(folder.path())
    })
    .unwrap();
    let written: Vec<_> = outputs.iter().map(Output::stdout).collect();
    assert_eq!(written, ["0\n", "1\n", "2\n", "3\n"]);
}

#[test]
fn the_umask_is_the_one_given() {
    for (mask, shown) in [(0o000, "0000"), (0o077, "0077")] {
        let output = shell("umask; echo $1")
            .args(["sh", "a b"])
            .umask(mask)
            .spawn()
            .unwrap()
            .wait(LIMIT)
            .unwrap();
        assert!(output.stdout().contains(shown), "{}", output.stdout());
        assert!(output.stdout().ends_with("a b\n"));
    }
}

#[test]
fn an_unprivileged_process_is_never_root() {
    let output = ProcessBuilder::new("/usr/bin/id")
        .args(["-u"])
        .unprivileged()
        .current_dir("/")
        .spawn()
        .unwrap()
        .wait(LIMIT)
        .unwrap();
    let own = rustix::process::geteuid();
    let expected = if own.is_root() { UNPRIVILEGED_USER } else { own.as_raw() };
    assert_eq!(output.stdout().trim(), expected.to_string());
}

#[test]
fn binaries_of_the_workspace_are_built_and_found() {
    let path = workspace_binary("xtask", "xtask").unwrap();
    assert!(path.is_file());
    assert_eq!(workspace_binary("xtask", "xtask").unwrap(), path);
    assert!(workspace_binary("xtask", "no-such-binary").is_err());
}

#[test]
fn what_a_process_is_given_is_not_shown() {
    let builder = shell("echo $SEEN")
        .arg("in-argument")
        .env("SEEN", "in-environment")
        .stdin("in-input");
    let shown = format!("{builder:?}");
    assert!(shown.contains("SEEN"));
    assert!(!shown.contains("in-"), "{shown}");
    let process = shell("echo in-output").spawn().unwrap();
    assert!(process.wait_for_stdout("in-output", LIMIT));
    assert!(!format!("{process:?}").contains("in-output"));
}

fn exists(id: u32) -> bool {
    let pid = rustix::process::Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
    rustix::process::test_kill_process(pid).is_ok()
}
