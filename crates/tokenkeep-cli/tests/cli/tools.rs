//! Completions and manual pages.

use store_testkit::process::ProcessBuilder;

use super::support::{World, assert_code, assert_fails, end};

#[test]
fn completions_for_each_shell() {
    let world = World::new();
    for (shell, word) in [
        ("bash", "complete -F _tokenkeep"),
        ("zsh", "#compdef tokenkeep"),
        ("fish", "complete -c tokenkeep"),
        ("powershell", "Register-ArgumentCompleter"),
        ("elvish", "edit:completion"),
    ] {
        let script = world.run(&format!("completions {shell}"));
        assert_code(&script, 0);
        assert!(script.stdout().contains(word), "{shell}: {}", script.stdout());
        assert!(script.stdout().contains("client-secret-stdin"), "{shell}");
    }
    assert_code(&world.run("completions dash"), 2);
}

#[test]
fn bash_completes() {
    let world = World::new();
    let file = world.home().join("tokenkeep.bash");
    std::fs::write(&file, world.run("completions bash").stdout()).unwrap();
    let script = format!(
        ". {} && COMP_WORDS=(tokenkeep ref) COMP_CWORD=1 && _tokenkeep tokenkeep ref tokenkeep && echo \"${{COMPREPLY[@]}}\"",
        file.display()
    );
    let bash = end(ProcessBuilder::new("/bin/bash").args(["--norc", "-c", &script]));
    assert_eq!(bash.stdout(), "refresh\n", "{}", bash.stderr());
}

#[test]
fn manual_pages() {
    let world = World::new();
    let page = world.run("man");
    assert_code(&page, 0);
    for words in [".TH tokenkeep 1", "tokenkeep\\-login(1)", "Exit codes"] {
        assert!(page.stdout().contains(words), "{words}: {}", page.stdout());
    }
    let folder = world.home().join("share/man1");
    assert_code(&world.run(&format!("man {}", folder.display())), 0);
    for name in ["tokenkeep.1", "tokenkeep-login.1", "tokenkeep-exec.1"] {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(text.contains(".SH"), "{name}");
    }
    let file = world.home().join("file");
    std::fs::write(&file, "").unwrap();
    assert_fails(
        &world.run(&format!("man {}", file.display())),
        1,
        &["can't be written to"],
    );
}

#[test]
fn they_work_with_a_broken_configuration() {
    let world = World::new();
    world.write_config("nonsense");
    assert_code(&world.run("status"), 3);
    assert_code(&world.run("completions bash"), 0);
    assert_code(&world.run("man"), 0);
}
