//! A variable set to a value, as each shell reads it back.

use crate::error::{Failure, Result};
use crate::exit::Exit;

/// A shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shell {
    Cmd,
    Fish,
    Posix,
    Powershell,
}

impl Shell {
    /// The line that exports the value.
    pub(super) fn export(self, name: &str, value: &str) -> Result<String> {
        Ok(match self {
            Self::Posix => format!("export {name}='{}'", value.replace('\'', r"'\''")),
            Self::Fish => {
                let escaped = value.replace('\\', r"\\").replace('\'', r"\'");
                format!("set -gx {name} '{escaped}'")
            }
            Self::Powershell => format!("$Env:{name} = '{}'", value.replace('\'', "''")),
            Self::Cmd => format!("set \"{name}={}\"", for_cmd(value)?),
        })
    }
}

// How cmd reads these depends on where the line stands (prompt, batch file, `for`),
// so no spelling is right everywhere.
fn for_cmd(value: &str) -> Result<&str> {
    if value.contains(['"', '%', '!', '^']) {
        let message = "this token has characters that cmd can't take over unchanged";
        return Err(Failure::new(Exit::Failure, message).hint("use -o env:pwsh, or -o bare"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shell_its_quotes() {
        let export = |shell: Shell| shell.export("T", r"a'b\c").unwrap();
        assert_eq!(export(Shell::Posix), r"export T='a'\''b\c'");
        assert_eq!(export(Shell::Fish), r"set -gx T 'a\'b\\c'");
        assert_eq!(export(Shell::Powershell), r"$Env:T = 'a''b\c'");
        assert_eq!(export(Shell::Cmd), r#"set "T=a'b\c""#);
        assert!(Shell::Cmd.export("T", "a%b").is_err());
    }
}
